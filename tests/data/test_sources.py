import pytest

from medweave import config
from medweave.data.sources import find_files
from medweave.errors import InputError


def ids(rows, split):
    return [row.image_id for row in rows if row.split == split]


def test_folders_are_paired_by_name(task):
    rows = find_files(config.Data(), str(task.root))
    assert [row.key for row in rows if row.split != "test"] == [
        *(f"gold:g{k}" for k in range(5)),
        *(f"unlabeled:u{k}" for k in range(4)),
    ]
    assert rows[0].image_uri == str(task.root / "gold/images/g0.png")
    assert rows[0].mask_uri == str(task.root / "gold/masks/g0.png")
    assert rows[5].mask_uri is None and rows[0].group_id == "g0" and rows[0].given_group is None


def test_files_without_a_partner_and_second_files_are_kept(task):
    (task.root / "gold/masks/g1.png").unlink()
    task.add("gold/masks/lonely.png")
    task.add("gold/images/g2.bmp")
    gold = [row for row in find_files(config.Data(), str(task.root)) if row.split == "gold"]
    found = {(row.image_id, (row.image_uri or "")[-6:], (row.mask_uri or "")[-6:]) for row in gold}
    assert {("g1", "g1.png", ""), ("lonely", "", "ly.png")} < found
    assert {("g2", "g2.bmp", "g2.png"), ("g2", "g2.png", "g2.png")} < found


def test_a_missing_root_says_what_a_folder_holds(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder.*gold/images, gold/masks, unlabeled/images"):
        find_files(config.Data(), str(tmp_path / "nowhere"))


@pytest.mark.parametrize("missing", ["gold/images", "gold/masks", "unlabeled/images", "test/images", "test/masks"])
def test_a_missing_folder_is_named(task, missing):
    (task.root / missing).rename(task.root / "elsewhere")
    with pytest.raises(InputError, match=f"{missing}: no such folder.*gold/images, gold/masks"):
        find_files(config.Data(), str(task.root))


def test_unlabeled_images_can_be_done_without(task):
    (task.root / "unlabeled/images").rename(task.root / "elsewhere")
    assert ids(find_files(config.Data(unlabeled=config.Source()), str(task.root)), "unlabeled") == []


def test_relative_paths_need_a_root():
    with pytest.raises(InputError, match=r"data\.root is not set"):
        find_files(config.Data(), None)


def test_csv_with_ids_groups_and_paths_relative_to_the_root(task):
    (task.root / "lists").mkdir()
    (task.root / "lists/gold.csv").write_text(
        "image_id,image,mask,group_id\n"
        "one,gold/images/g0.png,gold/masks/g0.png,p1\n"
        f"two,{task.root}/gold/images/g1.png,{task.root}/gold/masks/g1.png,p1\n"
        "three,gold/images/g2.png,,\n",
        encoding="utf-8-sig",
    )
    gold = find_files(config.Data(gold=config.Source(csv="lists/gold.csv")), str(task.root))[:3]
    assert [(row.image_id, row.group_id, row.given_group) for row in gold] == [
        ("one", "p1", "p1"),
        ("three", "three", None),
        ("two", "p1", "p1"),
    ]
    assert gold[0].image_uri == str(task.root / "gold/images/g0.png")
    assert gold[1].mask_uri is None and gold[2].mask_uri == str(task.root / "gold/masks/g1.png")


def test_csv_with_paths_relative_to_itself(task):
    (task.root / "gold/gold.csv").write_text("image,mask\nimages/g0.png,masks/g0.png\n")
    row = find_files(config.Data(gold=config.Source(csv="gold/gold.csv")), str(task.root))[0]
    assert (row.image_id, row.image_uri) == ("g0", str(task.root / "gold/images/g0.png"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no such CSV"), (b"picture,mask\na,b\n", "no column 'image'"), (b"\xff\xfe\x00", "not UTF-8 text")],
)
def test_wrong_csv(task, content, problem):
    if content is not None:
        (task.root / "gold.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"gold\.csv: .*{problem}"):
        find_files(config.Data(gold=config.Source(csv="gold.csv")), str(task.root))


def test_a_list_takes_only_its_images_and_notes_absent_ones(task, capsys):
    (task.root / "some.txt").write_text("u1\n\nu3\nghost\n")
    data = config.Data(unlabeled=config.Source(images="unlabeled/images", list="some.txt"))
    rows = [row for row in find_files(data, str(task.root)) if row.split == "unlabeled"]
    assert [(row.image_id, row.image_uri is None) for row in rows] == [("u1", False), ("u3", False), ("ghost", True)]
    assert "1 of 3 images" in capsys.readouterr().err


def test_a_list_is_also_looked_up_from_the_working_directory(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = config.Data(unlabeled=config.Source(images="unlabeled/images", list="here.txt"))
    with pytest.raises(InputError, match=r"here\.txt: no such file; set data\.unlabeled\.list"):
        find_files(data, str(task.root))
    (tmp_path / "here.txt").write_text("u2\n")
    assert ids(find_files(data, str(task.root)), "unlabeled") == ["u2"]


def test_groups_csv(task):
    (task.root / "groups.csv").write_text("image_id,group_id\ng0,p7\nt0,p7\n")
    rows = {row.key: row for row in find_files(config.Data(), str(task.root))}
    assert rows["gold:g0"].group_id == rows["test:t0"].given_group == "p7"
    assert rows["gold:g1"].group_id == "g1"


def test_names_in_groups_csv_may_have_the_images_extension(task):
    names = "g0.png,p7\ng1.PNG,p7\ng2.txt,p8\nt0.png,\n"
    (task.root / "groups.csv").write_text("image_id,group_id\n" + names)
    found = find_files(config.Data(), str(task.root))
    assert {row.image_id: row.given_group for row in found if row.given_group} == {"g0": "p7", "g1": "p7"}
    assert [note.message for note in found.notes] == ["1 of its ids are no image's ('g2.txt' is the first)"]


def test_an_id_with_an_extension_is_taken_as_it_is(task):
    (task.root / "test.csv").write_text("image_id,image,mask\nt0.png,test/images/t0.png,test/masks/t0.png\n")
    (task.root / "groups.csv").write_text("image_id,group_id\nt0.png,p7\n")
    rows = find_files(config.Data(test=config.Source(csv="test.csv")), str(task.root))
    assert [(row.image_id, row.given_group) for row in rows if row.split == "test"] == [("t0.png", "p7")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("G0,p7\nscan 1,p8\n", "names no image: 'G0' is the first image_id there; write ids such as 'g0'"),
        ("g0,\n", "states no group; give each image_id its group_id"),
    ],
)
def test_a_groups_csv_of_no_image_is_refused(task, content, problem):
    (task.root / "groups.csv").write_text("image_id,group_id\n" + content)
    with pytest.raises(InputError, match=rf"groups\.csv: {problem}"):
        find_files(config.Data(), str(task.root))


def test_groups_of_images_that_a_list_leaves_out_are_known(task):
    (task.root / "some.txt").write_text("u1\n")
    (task.root / "groups.csv").write_text("image_id,group_id\nu0,p1\nu1,p2\n")
    data = config.Data(unlabeled=config.Source(images="unlabeled/images", list="some.txt"))
    found = find_files(data, str(task.root))
    assert [row.given_group for row in found if row.split == "unlabeled"] == ["p2"] and found.notes == ()


def test_a_groups_csv_that_the_settings_name_must_be_there(task):
    with pytest.raises(InputError, match=r"patients\.csv: no such CSV.*image_id, group_id"):
        find_files(config.Data(groups="patients.csv"), str(task.root))
