"""The scripts in tools/, and those in benchmarks/ that must keep up with the package."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import friedel
from friedel.data import sources

TOOLS = Path(__file__).parents[1] / "tools"


def load(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestImportTables:
    TEXT = '# About.\n\n[one]\ntitle = "1"\n\n# About two.\n[two]\nsha256 = "old"\nunits = "A"\n'

    @pytest.mark.parametrize("name", ["one", "two"])
    def test_a_checksum_is_added_or_renewed_and_nothing_else(self, name):
        found = load("import_tables").with_checksum(self.TEXT, name, "new")
        expected = tomllib.loads(self.TEXT)
        expected[name]["sha256"] = "new"
        assert tomllib.loads(found) == expected
        assert found.count("# About") == 2

    def test_the_last_entry_may_lack_it(self):
        found = load("import_tables").with_checksum('[last]\ntitle = "x"\n', "last", "new")
        assert found == '[last]\ntitle = "x"\nsha256 = "new"\n'

    def test_a_new_table_needs_no_checksum_beforehand(self, monkeypatch, tmp_path, capsys):
        tool = load("import_tables")
        monkeypatch.setattr(tool, "DATA", tmp_path)
        monkeypatch.setattr("sys.argv", ["import_tables.py"])
        (tmp_path / "SOURCES.toml").write_text('[toy]\ntitle = "Toy"\nunits = "A"\n')
        with pytest.raises(SystemExit, match=r"no toy\.csv"):
            tool.main()
        (tmp_path / "toy.csv").write_text("symbol,a1,b1\nC,1,2\n")
        tool.main()
        assert "toy: checksum added" in capsys.readouterr().out
        written = (tmp_path / "SOURCES.toml").read_text()
        assert len(tomllib.loads(written)["toy"]["sha256"]) == 64
        tool.main()
        assert (tmp_path / "SOURCES.toml").read_text() == written

    def test_the_packages_own_file_is_as_the_tool_leaves_it(self):
        tool = load("import_tables")
        text = (tool.DATA / "SOURCES.toml").read_text(encoding="utf-8")
        for name, stated in sources().items():
            assert tool.with_checksum(text, name, stated["sha256"]) == text


class TestCostConstants:
    """benchmarks/cost_constants.py measures every machine constant of the cost models."""

    NAMES = re.compile(
        r"^((?:SECONDS|COST)_\w+|\w+_SECONDS|\w+_PER_THREAD|POINTS_PER_ATOM|SHARE_OF_REAL)"
        r"(?:, (\w+_PER_THREAD))? = ",
        re.MULTILINE,
    )

    def test_all_are_measured(self):
        source = Path(friedel.__file__).parent
        script = (TOOLS.parent / "benchmarks" / "cost_constants.py").read_text(encoding="utf-8")
        found = {
            name
            for path in source.rglob("*.py")
            for names in self.NAMES.findall(path.read_text(encoding="utf-8"))
            for name in names
            if name
        }
        assert len(found) > 25
        assert not {name for name in found if f'"{name}"' not in script}

    def test_the_script_names_nothing_else(self):
        script = (TOOLS.parent / "benchmarks" / "cost_constants.py").read_text(encoding="utf-8")
        named = set(re.findall(r'"([A-Z][A-Z_]{4,})"', script))
        source = "\n".join(
            path.read_text(encoding="utf-8") for path in Path(friedel.__file__).parent.rglob("*.py")
        )
        assert not {name for name in named if not re.search(rf"^(\w+, )?{name}\b", source, re.M)}


class TestArchitecture:
    def test_the_picture_is_that_of_the_contract(self):
        tool = load("draw_architecture")
        stored = tool.PICTURE.read_text(encoding="utf-8")
        assert stored == tool.draw(), "run tools/draw_architecture.py"

    def test_every_package_is_on_the_page(self):
        tool = load("draw_architecture")
        page = (tool.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        names = {name.removeprefix("friedel.") for line in tool.layers() for name in line}
        assert not {
            name for name in names if f"`{name}`" not in page and f"`{name}.py`" not in page
        }

    def test_places_that_the_page_names_are_there(self):
        tool = load("draw_architecture")
        page = (tool.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        source = tool.ROOT / "src" / "friedel"
        named = re.findall(r"`([\w/]+(?:/|\.\w+))`", page)
        assert len(named) > 20
        for name in named:
            places = [root / name for root in (source, tool.ROOT, tool.ROOT / "docs")]
            assert any(place.exists() for place in places), name
