"""The conformance kit: it passes every norm of the catalogue, and what it says."""

import json
import random

import pytest
import torch

from clnorm.catalogue import NORMS
from clnorm.conformance.kit import CHECKS, check_norm
from clnorm.conformance.report import Status
from clnorm.errors import UserError

C = 12
OPTIONS = ["bn_cma:reset=true", "bn_frozen:source=pretrained,affine=false", "gn:groups=1", "cn:groups=1", "cn:groups=3"]
FOLLOWING = [
    "bn:update=balanced",
    "cn:update=memory_only",
    "bn_task:update=current_only",
    "brn:update=none",
    "sn:freeze_after=1",
]


@pytest.mark.slow
@pytest.mark.parametrize("spec", [*NORMS.names(), *OPTIONS, *FOLLOWING])
def test_every_norm_of_the_catalogue_keeps_the_contract(spec, judge):
    failed = {name: detail for name, (status, detail) in judge(spec).items() if status is Status.FAILED}
    assert failed == {}


@pytest.mark.slow
def test_the_catalogues_batch_norm_passes_every_single_check(judge):
    statuses = {name: status for name, (status, _) in judge("bn").items()}
    assert statuses == {check.name: Status.MEASURED if check.name == "cost" else Status.PASSED for check in CHECKS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "failed"),
    [
        ("torch.nn.LayerNorm", set()),
        ("torch.nn:RMSNorm", set()),
        ("torch.nn.BatchNorm1d", set()),
        ("timm.layers.RmsNorm", set()),
        ("timm.layers.GroupNorm:num_groups=4", set()),
        ("torch.nn.InstanceNorm1d:affine=true", {"one position", "one value"}),
    ],
)
def test_classes_of_torch_and_timm_are_judged(spec, failed, judge):
    found = judge(spec)
    assert {name for name, (status, _) in found.items() if status is Status.FAILED} == failed
    assert found["no context"] == (Status.NOT_APPLICABLE, "it takes no context")


@pytest.mark.slow
def test_a_refusal_in_clnorms_words_is_no_pass_and_no_failure_and_is_quoted():
    report = check_norm("in", C)
    found = {finding.check: (finding.status, finding.detail) for finding in report.findings}
    for check, status in {"one sample": Status.PASSED, "one position": Status.NOT_APPLICABLE}.items():
        assert found[check][0] is status
    assert found["one value"][0] is Status.NOT_APPLICABLE
    assert "refuses it in evaluation: 12 groups of 12 channels at one position" in found["one position"][1]
    assert report.failed == ()


@pytest.mark.slow
def test_a_norm_that_wants_a_calibration_first_gets_one_and_that_is_said(judge):
    assert "calibrated before each check, since otherwise it refuses" in judge(OPTIONS[1])["build"][1]


@pytest.mark.slow
def test_what_says_nothing_about_a_norm_is_not_applicable_with_the_reason(judge):
    found = judge("identity")
    assert found["tracking off"] == (Status.NOT_APPLICABLE, "a training step changes no buffer")
    assert found["parameters"] == (Status.NOT_APPLICABLE, "it has no parameter that trains")
    assert judge("tbbn")["no context"] == (Status.NOT_APPLICABLE, "it needs tasks, experience")
    assert judge("bn:update=balanced")["no context"] == (Status.NOT_APPLICABLE, "it needs tasks")


def test_the_cost_is_a_number_beside_bn(judge):
    status, detail = judge("identity")["cost"]
    assert status is Status.MEASURED
    assert float(detail.partition(" times bn, ")[0]) < 5
    assert detail.endswith(" ms for 64 x 65 x 12")


@pytest.mark.slow
def test_the_callers_generators_are_left_alone():
    torch.manual_seed(0)
    before, python = torch.get_rng_state(), random.getstate()
    check_norm("cn", C)
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python


@pytest.mark.slow
def test_the_report_in_json_and_in_a_line():
    report = check_norm("in", C)
    record = json.loads(json.dumps(report.to_dict()))
    assert (record["spec"], record["channels"], record["failed"]) == ("in:axis=clip,eps=1e-05", C, [])
    assert record["findings"][0] == {
        "check": "build",
        "rule": "It can be built for so many channels.",
        "status": "passed",
        "detail": "",
    }
    assert report.summary() == "in:axis=clip,eps=1e-05 with 12 channels: 18 passed, 4 not applicable, 1 measured"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("cm",), "did you mean 'cn'"), (("cn", 0), "channels: 0 is not legal; legal: an int >= 1")],
)
def test_what_cannot_be_asked_for(arguments, message):
    with pytest.raises(UserError, match=message):
        check_norm(*arguments)
