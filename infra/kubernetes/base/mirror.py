"""Keep a folder like one in object storage: Evidently's UI takes up what changes in a folder, and in a folder only."""

import os
import sys
import time
from pathlib import Path

import fsspec

EVERY = 60.0


def mirror(source: str, folder: Path, aside: Path, seen: dict[str, str]) -> None:
    """Bring `folder` to what is under `source`, an s3 URI; `seen` is what it was brought to before, by relative path.

    Files come by way of the folder `aside`, so that each appears whole; those that are gone there go here.
    """
    files, root = fsspec.core.url_to_fs(source)
    files.invalidate_cache()
    found = files.find(root, detail=True)
    there = {
        path[len(root) + 1 :]: str(info.get("ETag") or (info["size"], info["mtime"])) for path, info in found.items()
    }
    aside.mkdir(parents=True, exist_ok=True)
    for name in sorted(there):
        if seen.get(name) != there[name]:
            files.get_file(f"{root}/{name}", str(aside / "part"))
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / "part").replace(folder / name)
    for name in set(seen) - set(there):
        (folder / name).unlink(missing_ok=True)
    seen.clear()
    seen.update(there)


if __name__ == "__main__":
    source, data = os.environ["WORKSPACE"], Path(sys.argv[1])
    seen: dict[str, str] = {}
    while True:
        try:
            mirror(source, data / "workspace", data / "aside", seen)
        except Exception as error:  # whatever storage has against it may have passed by the next time
            print(f"{source}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        time.sleep(EVERY)
