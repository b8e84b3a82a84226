"""Kernels work where nothing can be kept."""

from recembed.compiled import njit


def test_a_function_that_has_no_place_for_a_cache_is_compiled_all_the_same():
    scope = {}
    exec(compile("def twice(x):\n    return 2 * x", "<no file>", "exec"), scope)
    twice = njit(nogil=True)(scope["twice"])
    assert twice(21) == 42
    assert twice.signatures


def test_what_has_a_file_is_kept(tmp_path, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    place = tmp_path / "kernel.py"
    place.write_text("def twice(x):\n    return 2 * x\n")
    scope = {}
    exec(compile(place.read_text(), str(place), "exec"), scope)
    assert njit()(scope["twice"])(21) == 42
    assert [*(tmp_path / "kept").rglob("*.nbi")]
