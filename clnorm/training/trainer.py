"""The Avalanche strategy under every clnorm strategy: clip ids in, pixels once a batch, mixed precision, seeded order.

Avalanche runs the loop and calls the plug-ins; this class replaces what it takes from outside: the loader, the
optimizer and its schedule (fresh in each experience), the forward pass and the loss.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from clnorm.data.augment.appearance import create_appearance
from clnorm.errors import ClnormError
from clnorm.execution.inputs import Inputs
from clnorm.execution.precision import autocast
from clnorm.memory.memory import Memory
from clnorm.norms import take_auxiliary_loss
from clnorm.seeding import derive_seed, seeded_torch
from clnorm.streams.stream import ClipStream
from clnorm.training.accumulation import check_pieces, note_pieces
from clnorm.training.averaging import create_average
from clnorm.training.batch import Batch, BatchMaker
from clnorm.training.benchmark import create_benchmark
from clnorm.training.epochs import Epochs
from clnorm.training.evaluating.checks import check_evaluation
from clnorm.training.finishing import finish_experience
from clnorm.training.foreign.admit import admit_plugins, check_plugins
from clnorm.training.forwarding import check_forward, forward_batch
from clnorm.training.freezing import FreezingPlugin, freeze
from clnorm.training.imbalance.base import create_balancing
from clnorm.training.imbalance.fine_tuning import FineTuningTemplate, plan_lengths
from clnorm.training.imbalance.samplers import count_classes
from clnorm.training.loss import classification_loss
from clnorm.training.monitor import MonitorPlugin
from clnorm.training.norms.options import check_norm_options
from clnorm.training.norms.statistics import StatisticsPlugin
from clnorm.training.optim import create_optimizer
from clnorm.training.plugin import MethodPlugin, Training, keeps_state, read_state
from clnorm.training.processes import check_processes, place_of_draws, share_model
from clnorm.training.setup import Setup
from clnorm.training.tasks import create_classify, refuse_without_tasks

Loss = Callable[[Training, Tensor], Tensor]


class ClipStrategy(FineTuningTemplate):
    """Trains a video model on the experiences of a clip stream.

    Args:
        setup: the run's parts.
        plugins: Avalanche plug-ins; a run continues after a kill only if all have `state_dict` and `load_state_dict`,
            as a `MethodPlugin` has.
        stream: from the run's stream to what is trained on: `ClipStream.joined`, as an example; None: as it is.
        share: the share of the batch that comes from the memory, in every experience but the first.
        exemplars: the memory, which is filled after each experience; None where there is none, or a plug-in's own.
        trained: how many of the first experiences are trained by steps of the optimizer; None: all. Of the others the
            plug-ins make what they make in `finish`.
        loss: of the strategy and its outputs (B, classes) in float32, for its batch, in place of the loss of
            classification; a scalar.
        classifier: what predicts the test clips: `head`, or `nme`, the nearest mean of the memory's exemplars.

    Attributes:
        memory: (m,) ids of the clips kept from earlier experiences: those of `exemplars`; without these, a plug-in may
            set it before the loader is made.
        inputs: how clips are read where they are not trained on, with norms told of them.
        balancing: what is done about unequal classes.
        lengths: how long the training of each experience is.

    Raises:
        UserError: more pieces than clips in a batch, blocks to freeze that the model does not have, a policy for
            running statistics that norms or strategy cannot follow, a method for unequal classes that does not fit
            the model, or an evaluation that nothing is there for.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        plugins: Sequence[SupervisedPlugin] = (),
        stream: Callable[[ClipStream], ClipStream] | None = None,
        share: float = 0.0,
        exemplars: Memory | None = None,
        trained: int | None = None,
        loss: Loss | None = None,
        classifier: str = "head",
    ) -> None:
        self.setup, self.recipe, self.ranks = setup, setup.config.train, setup.ranks
        self.restream = stream or (lambda whole: whole)
        self.training_stream = self.restream(setup.stream)
        self.exemplars, self._loss, self.classifier = exemplars, loss, classifier
        self.benchmark = create_benchmark(self.training_stream)
        self.memory = np.empty(0, dtype=np.int64)
        self._given = list(plugins)
        self._added_apart: Tensor | None = None
        self._maker = BatchMaker(setup)
        self.accumulate = check_pieces(self.recipe)
        model, experiences = setup.model.to(setup.device), self.training_stream.experiences
        note_pieces(model, self.recipe, setup.reporter)
        check_norm_options(model, setup.config, has_memory=share > 0, experiences=len(experiences))
        check_evaluation(model, setup.config, classifier=classifier, has_memory=share > 0 or exemplars is not None)
        refuse_without_tasks(setup.stream, [self, *plugins], where=f"strategy {setup.config.strategy.short}")
        check_processes(model, setup.config, setup.execution, self.ranks, methods=[self, *plugins])
        check_plugins(setup, plugins)
        self.balancing = create_balancing(setup)
        self._classify = create_classify(setup, self.balancing)
        self.lengths = plan_lengths(
            setup, self.training_stream, balancing=self.balancing, memory=exemplars, share=share, trained=trained
        )
        check_forward(model, setup, self.lengths, self.balancing)
        steps = [self.lengths.steps(index) for index in range(len(experiences))]
        self.statistics = StatisticsPlugin(self.training_stream, steps, device=setup.device)
        appearance = create_appearance(setup.stream.looks, setup.stream.experience_of_clip)
        self.inputs = Inputs(setup.store, setup.device, self.statistics.context_of, appearance)
        self.monitor = MonitorPlugin()
        frozen = freeze(setup)
        self._average = create_average(model, self.recipe, setup.execution)
        super().__init__(
            model=model,
            optimizer=create_optimizer(model, self.recipe),
            train_mb_size=self.recipe.batch_size,
            train_epochs=self.recipe.epochs,
            device=setup.device,
            plugins=[FreezingPlugin(frozen), self.statistics, *plugins, self.monitor],
            # Avalanche measures nothing here; a logger that logs nothing keeps it from warning about that, and is
            # refused in all processes but the first.
            evaluator=EvaluationPlugin(loggers=[BaseLogger()] if self.ranks.first else None),
        )
        admit_plugins(self, plugins)

    def train_experience(self, index: int) -> None:
        """Train on experience `index` of the training stream, alone and from fresh optimizer state.

        Raises:
            ClnormError: the loss is no longer finite.
        """
        place = place_of_draws(self.model, self.ranks, index)
        with seeded_torch(derive_seed(self.setup.config.seed, "dropout", *place), device=self.device):
            if self.lengths.training_steps(index):
                self.train(self.benchmark.train_stream[index], eval_streams=[])
            else:
                self.statistics.begin(index)
        finish_experience(self, index, methods=self.methods, balancing=self.balancing)
        share_model(self.model, self.ranks)
        if self._average is not None:
            share_model(self._average.module, self.ranks)

    @property
    def given_stream(self) -> ClipStream:
        """The experiences that are trained with all clips that they bring, of which a strategy may train on others."""
        whole, trained = self.setup.stream, self.training_stream
        return whole if len(whole.experiences) == len(trained.experiences) else trained

    @property
    def methods(self) -> list[MethodPlugin]:
        """The plug-ins of the method that keep what they hold with the run."""
        return [plugin for plugin in self._given if isinstance(plugin, MethodPlugin)]

    @property
    def supports_distributed(self) -> bool:
        """Whether it is right where several processes train: a subclass must say so itself."""
        return type(self) is ClipStrategy

    @property
    def evaluated_model(self) -> nn.Module:
        """The model that is evaluated and kept: the average of the weights, once there is one."""
        return self._average.module if self._average is not None and self._average.n_averaged else self.model

    @property
    def can_go_on(self) -> bool:
        """Whether all plug-ins can take up a saved state."""
        return all(map(keeps_state, self._given))

    @property
    def first_as_naive(self) -> bool:
        """Whether the first experience is trained as without any method, up to its last step."""
        plain = type(self) is ClipStrategy and self.lengths.steps(0) > 0
        return plain and all(getattr(plugin, "first_as_naive", False) for plugin in self._given)

    @property
    def seen_classes(self) -> int:
        """Outputs of the model that stand for classes trained on so far, the current experience included."""
        return self.training_stream.seen_after(self.index)

    def state_dict(self) -> dict[str, Any]:
        return {
            "clock": dict(vars(self.clock)),
            "model": self.model.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "memory": torch.as_tensor(self.memory),
            "exemplars": None if self.exemplars is None else self.exemplars.state_dict(),
            "balancing": self.balancing.state_dict(),
            "plugins": [read_state(plugin) for plugin in self._stateful()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            ClnormError: a plug-in has no state methods, so what it held is lost.
        """
        for plugin in self._given:
            if not keeps_state(plugin):
                what = f"the plug-in {type(plugin).__name__} has no state_dict and load_state_dict to continue with"
                raise ClnormError(what, hint="write them, or delete the run's state.pt to start anew")
        for name in vars(self.clock):
            setattr(self.clock, name, int(state["clock"][name]))
        self.memory = state["memory"].numpy()
        if self.exemplars is not None:
            self.exemplars.load_state_dict(state["exemplars"])
        self.model.load_state_dict(state["model"])
        self.balancing.load_state_dict(state["balancing"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        for plugin, saved in zip(self._stateful(), state["plugins"], strict=True):
            plugin.load_state_dict(saved)

    # What Avalanche calls, in the order of one experience.

    def make_train_dataloader(self, **kwargs: Any) -> None:
        index, targets = self.index, self.setup.stream.targets
        ids, recalled = self.training_stream.experiences[index].train_ids, self.lengths.recalled(index)
        if recalled and not len(self.memory):
            raise ClnormError(
                f"{recalled} clips of each batch are to come from the memory, which is empty in experience {index + 1}",
                where=f"strategy {self.setup.config.strategy.name}",
                hint="set strategy.memory after each experience, or leave share=0",
            )
        draw = partial(self.balancing.draw_epoch, ids)
        self.dataloader = Epochs(self.setup, index=index, draw=draw, memory=self.memory, recalled=recalled)
        of_epoch = recalled * self.lengths.steps_per_epoch(index)
        own = np.unique(ids)  # of which a strategy may show some several times, and count some as its memory, too
        kept, classes = np.setdiff1d(self.memory, own), self.setup.stream.num_classes
        times = len(ids) / len(own)
        counts = count_classes(targets[own], targets[kept], times=times, recalled=of_epoch, num_classes=classes)
        self.balancing.start(self._maker.exchange_counts(counts, seen=self.seen_classes))

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        self.begin_steps(self.recipe, steps=self.lengths.training_steps(self.index))

    def _before_training_epoch(self, **kwargs: Any) -> None:
        self.balancing.done = self.epoch / self.recipe.epochs
        super()._before_training_epoch(**kwargs)

    def _unpack_minibatch(self) -> None:
        ids, pixels = torch.as_tensor(self.mbatch[0]), self.mbatch[1]
        self.mbatch = self._maker.make(
            ids,
            pixels,
            tasks=self.statistics.tasks,
            recalled=len(ids) if self.fine_tuning else self.lengths.recalled(self.index),
            seen=self.seen_classes,
            augmentation=self.dataloader.augmentation,
            mixing=self.dataloader.mixing,
        )

    def forward(self) -> Tensor:
        with autocast(self.device, self.setup.execution.precision):
            outputs, self._added_apart = forward_batch(self, apart=self.recipe.forward == "separate")
        return outputs

    def criterion(self) -> Tensor:
        logits = self.mb_output.float()
        loss = self.classify(logits, self.batch) if self._loss is None or self.fine_tuning else self._loss(self, logits)
        for added in (self._added_apart, take_auxiliary_loss(self.model)):
            loss = loss if added is None else loss + added
        return loss

    def classify(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss of classification of outputs (B, classes) for a batch, or for a part of it; a scalar."""
        return classification_loss(logits, batch, classify=self.classify_targets)

    def classify_targets(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of outputs (B, classes) for targets (B,), over the outputs that are trained; a scalar."""
        return self._classify(logits[:, : self.seen_classes] if self.recipe.loss == "seen" else logits, targets)

    def scale_loss(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss)

    def optimizer_step(self) -> None:
        if self.recipe.grad_clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.balancing.after_step()
        if self._average is not None:
            self._average.update_parameters(self.model)

    def _stateful(self) -> Iterator[Any]:
        return (plugin for plugin in self._given if hasattr(plugin, "state_dict"))
