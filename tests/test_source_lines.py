"""Where a failed check finds the lines that its rows came from."""

from warehouse import objects, source_lines


def test_the_line_with_the_values_of_a_row_is_found_in_the_first_file_that_has_one(tmp_path):
    (tmp_path / "1.json").write_text(
        '{"ts": 10, "itemInSession": 1}\n[]\nno JSON\n{"TS": 1.0, "page": "Home "}\n')
    (tmp_path / "2.json").write_text('{"ts": 22, "page": "Help"}\n{"ts": 22, "page": ""}\n{"ts": "7"}')
    files = objects.list_objects(f"{tmp_path}/")
    for row, place in (
            ({"ts": 22, "page": "Help"}, "2.json:1"), ({"ts": 22, "page": ""}, "2.json:2"),
            ({"ts": 1, "page": "Home"}, "1.json:4"), ({"ts": 7}, "2.json:3"),
            ({"ts": 10, "iteminsession": 1, "page": None}, "1.json:1")):
        assert source_lines.find_lines(files, [row]) == [f" ({tmp_path}/{place})"]
    for row in ({"ts": 2}, {"ts": 2222}, {"rows_found": 1, "rows_copied": 10}, {"page": "Hel"}):
        assert source_lines.find_lines(files, [row]) == [""]


def test_a_line_is_not_looked_for_in_files_that_are_large_many_or_gone(tmp_path, monkeypatch):
    (tmp_path / "1.json").write_text('{"ts": 1}\n' * 10)
    (tmp_path / "2.json").write_text('{"ts": 2}\n')
    first, second = objects.list_objects(f"{tmp_path}/")
    monkeypatch.setattr(source_lines, "MAX_FILES_SEARCHED", 1)
    assert source_lines.find_lines([first, second], [{"ts": 2}]) == [""]
    assert source_lines.find_lines([second], [{"ts": 2}]) == [f" ({tmp_path}/2.json:1)"]
    monkeypatch.setattr(source_lines, "MAX_BYTES_SEARCHED", 1)
    assert source_lines.find_lines([second], [{"ts": 2}]) == [""]
    monkeypatch.undo()
    (tmp_path / "1.json").unlink()
    assert source_lines.find_lines([first, second], [{"ts": 2}]) == [""]


def test_several_rows_are_found_in_one_reading_of_the_files(tmp_path, monkeypatch):
    (tmp_path / "1.json").write_text('{"ts": 1}\n{"ts": 2}\n')
    (tmp_path / "2.json").write_text('{"ts": 3}\n')
    asked = []
    monkeypatch.setattr(source_lines, "read", lambda url: asked.append(url) or objects.read(url))
    files = objects.list_objects(f"{tmp_path}/")
    assert source_lines.find_lines(files, [{"ts": 3}, {"ts": 2}, {"ts": 9}]) == [
        f" ({tmp_path}/2.json:1)", f" ({tmp_path}/1.json:2)", ""]
    assert asked == [file.url for file in files]
