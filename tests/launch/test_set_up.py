"""The set-up before the supervisor: which Python, which packages, which requirements; each refusal is one line that says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("sh", "dirname", "id", "cat", "rm", "mktemp", "grep", "uname", "basename", "sed", "chmod")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs, to be the whole PATH: the bare tools, no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name} here"))
    return folder


def script(folder: Path, name: str, body: str) -> None:
    """Put a program into a folder."""
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


PRETEND = "import sys; sys.version_info = ({version}, 0, 'final', 0); sys.modules.update(dict.fromkeys('{lacks}'.split()))"


def python(folder: Path, name: str, *, version: str = "3.11", lacks: str = "") -> None:
    """Put a Python into a folder: the real one, said to be of a version, or without a module."""
    pretend = PRETEND.format(version=version.replace(".", ", "), lacks=lacks)
    script(folder, name, f"""[ "$2" != -c ] || exec "{sys.executable}" -I -c "{pretend}
$3"
exec "{sys.executable}" "$@" """)


def sourced(tools: Path, checkout: Path, words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run shell words with the set-up's functions at hand and nothing but ``tools`` on PATH."""
    parts = " ".join(f'. "$ROOT/setup/{name}.sh";' for name in ("say", "python", "apt", "venv", "services"))
    # Debian's own Python is a candidate by its full path: it must not be found here.
    return subprocess.run(
        ["/bin/sh", "-euc", f'ROOT=$1; {parts} {words}', "./run", str(checkout)],
        env={"PATH": str(tools)} | environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def copy(checkout: Path, tmp_path: Path) -> Path:
    """A checkout of its own, which knows no Python by its full path."""
    folder = tmp_path / "copy"
    shutil.copytree(checkout, folder)
    file = folder / "setup" / "python.sh"
    file.write_text(file.read_text().replace(" /usr/bin/python3;", ";"))
    return folder


def test_a_too_old_python_is_refused_in_one_line(tools: Path, copy: Path) -> None:
    python(tools, "python3", version="3.10")
    ended = subprocess.run([copy / "run"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Lettermill needs Python 3.11 or newer; this machine has 3.10")
    assert ended.stderr.count("\n") == 1
    assert not (copy / ".venv").exists()


def test_no_python_at_all_is_said_in_one_line(tools: Path, copy: Path) -> None:
    ended = subprocess.run([copy / "run"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "apt-get install python3 python3-venv" in ended.stderr


def test_a_newer_python_beside_an_old_one_is_found(tools: Path, copy: Path) -> None:
    python(tools, "python3", version="3.9")
    python(tools, "python3.12")
    assert sourced(tools, copy, 'find_python; echo "$PYTHON"').stdout.strip() == getattr(sys, "_base_executable", sys.executable)


def test_a_shim_that_answers_with_an_error_is_passed_over(tools: Path, copy: Path) -> None:
    script(tools, "python3", "echo 'shim: command not found' >&2; exit 127")
    python(tools, "python3.11")
    ended = sourced(tools, copy, 'find_python; echo "$PYTHON"')
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_mistake_in_the_options_is_said_before_the_set_up(tools: Path, copy: Path) -> None:
    python(tools, "python3")
    ended = subprocess.run([copy / "run", "--prot", "1"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "unrecognized arguments: --prot 1 (./run --help lists the options)\n")
    assert not (copy / ".venv").exists()


def test_without_root_the_one_line_names_the_package(tools: Path, copy: Path) -> None:
    python(tools, "python3", lacks="ensurepip")
    (tools / "id").unlink()
    script(tools, "id", "echo 1000")
    script(tools, "apt-get", "echo must not be called; exit 1")
    ended = sourced(tools, copy, f'PYTHON="{tools / "python3"}"; need_ensurepip')
    assert ended.returncode == 1
    assert ended.stderr == (
        "Python's virtual environment needs packages that only root can install. "
        "Run this once, then ./run again: sudo apt-get install python3.11-venv\n"
    )


def test_as_root_the_package_is_installed_silently_after_its_lists(tools: Path, copy: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    (tools / "id").unlink()
    script(tools, "id", "echo 0")
    script(tools, "debconf-set-selections", "cat >/dev/null")
    noted = f'echo "$DEBIAN_FRONTEND $*" >>"{calls}"; echo noise'
    script(tools, "apt-get", f'{noted}; case "$*" in *update*) : >"{tmp_path}/lists";; esac; [ -e "{tmp_path}/lists" ]')
    words = 'keep_services_down() { our_policy=; }; need_packages "The test" one two; echo "went on"'
    ended = sourced(tools, copy, words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "Installing one two (once)\nwent on\n", "")
    install = "noninteractive -q -y --no-install-recommends --no-remove install one two"
    assert [line.strip() for line in calls.read_text().splitlines()] == [install, "-q update", install]


def test_the_words_of_apt_are_shown_when_it_fails(tools: Path, copy: Path) -> None:
    (tools / "id").unlink()
    script(tools, "id", "echo 0")
    script(tools, "debconf-set-selections", "cat >/dev/null")
    script(tools, "apt-get", "echo E: no such package; exit 100")
    ended = sourced(tools, copy, 'keep_services_down() { our_policy=; }; need_packages "The test" one; echo "went on"')
    assert ended.returncode == 1
    assert "E: no such package" in ended.stderr
    assert ended.stderr.endswith("Put that right, then run ./run again.\n")


class TestTheEnvironment:
    """``.venv`` is made once, repaired when it is broken, and left alone when it is right. A stand-in pip notes what it is asked."""

    @pytest.fixture
    def fake_venv(self, tools: Path, copy: Path, tmp_path: Path) -> Path:
        """A Python whose ``-m venv`` makes an environment with a pip that only notes its calls."""
        calls = tmp_path / "calls"
        script(tools, "maker", f"""
if [ "$1 $2" = "-m venv" ]; then
    echo "venv" >>"{calls}"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit 0
fi
if [ "$1 $2" = "-m pip" ]; then
    echo "pip" >>"{calls}"; [ ! -e "{tmp_path}/pip-fails" ]; exit $?
fi
exit 0""")
        for name in ("mkdir", "cp"):
            (tools / name).symlink_to(shutil.which(name) or "")
        return calls

    def need(self, tools: Path, copy: Path) -> subprocess.CompletedProcess[str]:
        return sourced(tools, copy, f'PYTHON="{tools / "maker"}"; NAMED_PYTHON=; need_requirements requirements.txt "the requirements"')

    def test_a_warm_start_does_nothing(self, tools: Path, copy: Path, fake_venv: Path) -> None:
        assert self.need(tools, copy).returncode == 0
        assert self.need(tools, copy).stdout == ""
        assert fake_venv.read_text() == "venv\npip\n"

    def test_changed_requirements_are_installed_into_the_same_environment(self, tools: Path, copy: Path, fake_venv: Path) -> None:
        self.need(tools, copy)
        with (copy / "requirements.txt").open("a") as file:
            file.write("another==1\n")
        self.need(tools, copy)
        assert fake_venv.read_text() == "venv\npip\npip\n"

    def test_an_installation_that_failed_is_tried_again(self, tools: Path, copy: Path, fake_venv: Path, tmp_path: Path) -> None:
        (tmp_path / "pip-fails").touch()
        failed = self.need(tools, copy)
        assert failed.returncode == 1
        assert "pip could not install requirements.txt" in failed.stderr
        (tmp_path / "pip-fails").unlink()
        assert self.need(tools, copy).returncode == 0
        assert fake_venv.read_text() == "venv\npip\npip\n"

    def test_one_that_was_left_half_made_is_made_anew(self, tools: Path, copy: Path, fake_venv: Path) -> None:
        (copy / ".venv" / "bin").mkdir(parents=True)
        (copy / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
        assert self.need(tools, copy).returncode == 0
        assert fake_venv.read_text() == "venv\npip\n"

    def test_one_that_was_moved_is_made_anew(self, tools: Path, copy: Path, fake_venv: Path, tmp_path: Path) -> None:
        self.need(tools, copy)
        shutil.move(copy, tmp_path / "moved")
        self.need(tools, tmp_path / "moved")
        assert fake_venv.read_text() == "venv\npip\nvenv\npip\n"
