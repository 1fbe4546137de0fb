// The passes of passes.py for float32 on a CPU, each in one go through memory. Shapes: x and dy (S, L, C), all others
// (S, C), all contiguous. Channels are the inner loop, which the compiler turns into vector instructions; samples are
// shared among torch's own threads, and a sample's sums are always added up in the same order.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <tuple>
#include <vector>

namespace {

using at::Tensor;

struct Shape {
  explicit Shape(const Tensor& x) : samples(x.size(0)), length(x.size(1)), channels(x.size(2)) {
    TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kFloat, "x is to be contiguous float32");
  }
  int64_t samples, length, channels;
};

const float* in(const Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous(), "inputs are to be contiguous");
  return tensor.const_data_ptr<float>();
}

template <typename PerSample>
void for_each_sample(const Shape& shape, const PerSample& per_sample) {
  at::parallel_for(0, shape.samples, 1, [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) per_sample(sample);
  });
}

// Mean and biased variance of each sample's channel; the second loop finds the sample in the cache.
std::tuple<Tensor, Tensor> read_moments(const Tensor& x) {
  const Shape shape(x);
  const int64_t L = shape.length, C = shape.channels;
  Tensor mean = at::empty({shape.samples, C}, x.options()), var = at::empty({shape.samples, C}, x.options());
  const float* all = in(x);
  float *means = mean.mutable_data_ptr<float>(), *vars = var.mutable_data_ptr<float>();
  for_each_sample(shape, [&](int64_t s) {
    float *__restrict__ m = means + s * C, *__restrict__ v = vars + s * C;
    const float* __restrict__ first = all + s * L * C;
    for (int64_t c = 0; c < C; ++c) m[c] = v[c] = 0;
    for (int64_t l = 1; l < L; ++l) {
      const float* __restrict__ row = first + l * C;
      for (int64_t c = 0; c < C; ++c) m[c] += row[c] - first[c];  // less is lost in sums of small numbers
    }
    for (int64_t c = 0; c < C; ++c) m[c] = first[c] + m[c] / L;
    for (int64_t l = 0; l < L; ++l) {
      const float* __restrict__ row = all + (s * L + l) * C;
      for (int64_t c = 0; c < C; ++c) v[c] += (row[c] - m[c]) * (row[c] - m[c]);
    }
    for (int64_t c = 0; c < C; ++c) v[c] /= L;
  });
  return {mean, var};
}

// The mean of x - mean.
Tensor read_residual(const Tensor& x, const Tensor& mean) {
  const Shape shape(x);
  const int64_t L = shape.length, C = shape.channels;
  Tensor residual = at::empty({shape.samples, C}, x.options());
  const float *all = in(x), *means = in(mean);
  float* residuals = residual.mutable_data_ptr<float>();
  for_each_sample(shape, [&](int64_t s) {
    const float* __restrict__ m = means + s * C;
    float* __restrict__ r = residuals + s * C;
    for (int64_t c = 0; c < C; ++c) r[c] = 0;
    for (int64_t l = 0; l < L; ++l) {
      const float* __restrict__ row = all + (s * L + l) * C;
      for (int64_t c = 0; c < C; ++c) r[c] += row[c] - m[c];
    }
    for (int64_t c = 0; c < C; ++c) r[c] /= L;
  });
  return residual;
}

// Sums over positions of dy and of dy * (x - centre).
std::tuple<Tensor, Tensor> read_products(const Tensor& dy, const Tensor& x, const Tensor& centre) {
  const Shape shape(x);
  const int64_t L = shape.length, C = shape.channels;
  Tensor total = at::empty({shape.samples, C}, x.options()), product = at::empty({shape.samples, C}, x.options());
  const float *all = in(x), *grads = in(dy), *centres = in(centre);
  float *totals = total.mutable_data_ptr<float>(), *products = product.mutable_data_ptr<float>();
  for_each_sample(shape, [&](int64_t s) {
    const float* __restrict__ m = centres + s * C;
    float *__restrict__ t = totals + s * C, *__restrict__ p = products + s * C;
    for (int64_t c = 0; c < C; ++c) t[c] = p[c] = 0;
    for (int64_t l = 0; l < L; ++l) {
      const float *__restrict__ row = all + (s * L + l) * C, *__restrict__ grad = grads + (s * L + l) * C;
      for (int64_t c = 0; c < C; ++c) {
        t[c] += grad[c];
        p[c] += grad[c] * (row[c] - m[c]);
      }
    }
  });
  return {total, product};
}

// scale * (x - centre) + shift.
Tensor apply_affine(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& centre) {
  const Shape shape(x);
  const int64_t L = shape.length, C = shape.channels;
  Tensor y = at::empty_like(x);
  const float *all = in(x), *scales = in(scale), *shifts = in(shift), *centres = in(centre);
  float* out = y.mutable_data_ptr<float>();
  for_each_sample(shape, [&](int64_t s) {
    const float *__restrict__ a = scales + s * C, *__restrict__ b = shifts + s * C, *__restrict__ m = centres + s * C;
    for (int64_t l = 0; l < L; ++l) {
      const float* __restrict__ row = all + (s * L + l) * C;
      float* __restrict__ to = out + (s * L + l) * C;
      for (int64_t c = 0; c < C; ++c) to[c] = (row[c] - m[c]) * a[c] + b[c];
    }
  });
  return y;
}

// scale * dy + slope * (x - centre) + shift.
Tensor apply_gradient(const Tensor& dy, const Tensor& x, const Tensor& scale, const Tensor& slope,
                      const Tensor& shift, const Tensor& centre) {
  const Shape shape(x);
  const int64_t L = shape.length, C = shape.channels;
  Tensor dx = at::empty_like(x);
  const float *all = in(x), *grads = in(dy), *centres = in(centre);
  const float *scales = in(scale), *slopes = in(slope), *shifts = in(shift);
  float* out = dx.mutable_data_ptr<float>();
  for_each_sample(shape, [&](int64_t s) {
    const float *__restrict__ a = scales + s * C, *__restrict__ q = slopes + s * C;
    const float *__restrict__ b = shifts + s * C, *__restrict__ m = centres + s * C;
    for (int64_t l = 0; l < L; ++l) {
      const float *__restrict__ row = all + (s * L + l) * C, *__restrict__ grad = grads + (s * L + l) * C;
      float* __restrict__ to = out + (s * L + l) * C;
      for (int64_t c = 0; c < C; ++c) to[c] = grad[c] * a[c] + (row[c] - m[c]) * q[c] + b[c];
    }
  });
  return dx;
}

}  // namespace

TORCH_LIBRARY(clnorm, library) {
  library.def("read_moments(Tensor x) -> (Tensor, Tensor)", read_moments);
  library.def("read_residual(Tensor x, Tensor mean) -> Tensor", read_residual);
  library.def("read_products(Tensor dy, Tensor x, Tensor centre) -> (Tensor, Tensor)", read_products);
  library.def("apply_affine(Tensor x, Tensor scale, Tensor shift, Tensor centre) -> Tensor", apply_affine);
  library.def(
      "apply_gradient(Tensor dy, Tensor x, Tensor scale, Tensor slope, Tensor shift, Tensor centre) -> Tensor",
      apply_gradient);
}
