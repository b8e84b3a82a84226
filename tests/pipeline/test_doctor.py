import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from recembed.pipeline import doctor as module
from recembed.pipeline.doctor import Check, doctor, satisfies


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


@pytest.mark.parametrize(
    ("version", "range_", "inside"),
    [
        ("2.4", ">=2.4,<3", True),
        ("2.3.9", ">=2.4,<3", False),
        ("3.0.0", "<3,>=2.4", False),
        ("2.13.0+cpu", ">=2.4,<3", True),  # 13 is more than 4
        ("2.4.0rc1", ">=2.4", True),
        ("0.1.0", "==0.1", True),
        ("0.1.1", "==0.1.0", False),
        ("1.0", ">1", False),
        ("1.0", "<=1", True),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, range_: str, inside: bool):
    assert satisfies(version, range_) is inside


def test_versions_agree_with_packaging_on_every_requirement_of_this_package():
    requirements = pytest.importorskip("packaging.requirements")
    for text in metadata.requires("recembed") or []:
        requirement = requirements.Requirement(text)
        for version in (
            "0.1.0",
            "0.4.2",
            "0.9",
            "1.11",
            "1.17.3",
            "2.4.0",
            "2.13.1",
            "3.0",
            "15.1",
        ):
            expected = requirement.specifier.contains(version)
            assert satisfies(version, str(requirement.specifier)) is expected, (text, version)


def test_this_machine_is_fit_to_run_the_tests(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path))
    checks = doctor()
    assert [check for check in checks if not check.ok] == []
    assert found(checks, "numpy").found == metadata.version("numpy")
    assert found(checks, "cores").found.split()[0].isdigit()


def test_no_torch_is_imported_to_look_at_the_machine():
    code = (
        "import sys; from recembed.pipeline.doctor import doctor; doctor();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'annoy', 'implicit', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make a package look as if it were not installed."""
    version, distribution = metadata.version, metadata.distribution
    distributions = metadata.distributions

    def guarded(real):
        def look(name: str):
            if name == package:
                raise metadata.PackageNotFoundError(name)
            return real(name)

        return look

    monkeypatch.setattr(metadata, "version", guarded(version))
    monkeypatch.setattr(metadata, "distribution", guarded(distribution))
    monkeypatch.setattr(
        metadata,
        "distributions",
        lambda name: iter(()) if name == package else distributions(name=name),
    )


def test_a_missing_extra_is_no_fault_and_comes_with_its_exact_command(monkeypatch):
    without(monkeypatch, "torch")
    checks = doctor()
    torch = found(checks, "torch")
    assert torch.ok
    assert torch.remedy == "pip install 'recembed[torch]'"
    assert not [check for check in checks if check.name == "cuda"]


def test_a_missing_dependency_is_a_fault(monkeypatch):
    without(monkeypatch, "tqdm")
    assert found(doctor(), "tqdm") == Check(
        "tqdm", False, "not installed", "pip install 'tqdm>=4.66'"
    )


def test_a_version_outside_the_tested_range_is_a_fault_that_names_the_range(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=99"])
    check = found(doctor(), "numpy")
    assert not check.ok
    assert check.found == f"{metadata.version('numpy')}, tested with >=99"
    assert check.remedy == "pip install 'numpy>=99'"


def test_without_annoy_the_missing_compiler_is_a_fault(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert found(doctor(), "C++ compiler").ok  # Annoy is there, built already
    without(monkeypatch, "annoy")
    compiler = found(doctor(), "C++ compiler")
    assert not compiler.ok
    assert "g++" in str(compiler.remedy)


def test_an_annoy_that_kills_its_interpreter_is_a_finding_not_a_crash(monkeypatch):
    pytest.importorskip("annoy")
    monkeypatch.setattr(module, "ANNOY_AT_WORK", "import os; os.kill(os.getpid(), 4)")
    check = found(doctor(), "annoy works")
    assert not check.ok
    assert "signal 4" in check.found
    assert "--no-binary annoy" in str(check.remedy)


def test_the_cache_folder_is_the_one_that_the_user_named(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path / "mine"))
    assert found(doctor(), "cache folder") == Check("cache folder", True, str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()  # looking leaves nothing behind


def test_a_cache_folder_below_a_file_cannot_be_written(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RECEMBED_CACHE", str(tmp_path / "file" / "cache"))
    check = found(doctor(), "cache folder")
    assert not check.ok
    assert "RECEMBED_CACHE" in str(check.remedy)


def test_a_dependency_that_cannot_be_imported_does_not_stop_the_doctor(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    check = found(doctor(), "blas")
    assert not check.ok
    assert "threadpoolctl" in check.found
