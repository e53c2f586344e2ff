"""One door to every training task."""

import sys

import pytest

from finetune import train


@pytest.mark.parametrize("task", sorted(train.TASKS))
def test_a_task_gets_the_rest_of_the_command_line(
    task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--task", task, "--help"])
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert ended.value.code == 0
    assert f"finetune.train --task {task}" in capsys.readouterr().out


def test_an_unknown_task_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "--task", "magic"])
    with pytest.raises(SystemExit):
        train.main()
    assert "magic" in capsys.readouterr().err
