"""The free memory, as Linux tells it."""

import pytest

from clnorm import environment

AVAILABLE = "MemTotal:       32000000 kB\nMemAvailable:   20000000 kB\n"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Lets the system tell what is written into `memory`, and the limits of a container in `memory.max` and beside."""
    monkeypatch.setattr(environment, "_MEMORY", tmp_path / "memory")
    monkeypatch.setattr(environment, "_LIMITS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "gb"),
    [("max", 20.48), ("6000000000", 4.0), ("90000000000", 20.48)],
)
def test_free_is_what_both_system_and_container_have(system, limit, gb):
    (system / "memory").write_text(AVAILABLE)
    (system / "memory.max").write_text(f"{limit}\n")
    (system / "memory.current").write_text("5000000000\n")
    (system / "memory.stat").write_text("anon 2000000000\ninactive_file 3000000000\nactive_file 7\n")
    assert environment.free_memory_gb() == gb


def test_a_system_that_tells_nothing_has_no_figure(system):
    assert environment.free_memory_gb() is None
    (system / "memory").write_text(AVAILABLE)
    assert environment.free_memory_gb() == 20.48
