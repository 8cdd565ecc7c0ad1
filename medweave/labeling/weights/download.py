"""Downloads that go on where they stopped, from any place that fsspec or the model hub's client reaches."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from medweave import progress
from medweave.errors import InputError, RunError

CHUNK = 8 * 2**20
ATTEMPTS = 3
NOT_FOUND = 404
HUB = "hf:"


def obtain(source: str, folder: Path, chunk: int = CHUNK) -> Path:
    """The local file of a source: a path, a URL (http, https, file, s3 …) or `hf:owner/name/file` on the model hub.

    URLs are downloaded into `folder`. Raises InputError for what does not exist and RunError for what is out of reach.
    """
    if source.startswith(HUB):
        return _from_hub(source)
    if "://" in source:
        return download(source, folder, chunk)
    path = Path(source).expanduser().absolute()
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    return path


def download(url: str, folder: Path, chunk: int = CHUNK) -> Path:
    """Download a URL into `folder`, `chunk` bytes a request; a URL that was downloaded whole is not asked again.

    What an earlier call got of the same version of the file (by size, ETag and date) is not fetched again. Raises
    InputError when there is no such file, and RunError when it cannot be reached or the connection fails.
    """
    name = url.partition("?")[0].rpartition("/")[2]
    whole = folder / f"{_digest(url)}-{name}"
    if whole.exists():
        return whole
    fs, path, info = _look_up(url)
    size = info.get("size")
    if not size:
        raise InputError(f"{url}: its server tells no size; download it with a browser and give the file's path")
    version = _digest(*(str(info.get(key)) for key in ("size", "ETag", "Last-Modified", "LastModified", "mtime")))
    part = folder / f"{whole.name}.{version}.part"
    try:
        part.touch()
        done = part.stat().st_size
        with progress.task(f"download {name}", size // 2**20, done // 2**20, "MB") as task, part.open("r+b") as file:
            file.seek(done)
            while done < size:
                done += file.write(_piece(fs, path, done, min(done + chunk, size), size, url))
                task.advance(done // 2**20 - task.done)
        part.replace(whole)
    except OSError as error:
        raise RunError(f"{part}: cannot be written ({error.strerror}); free space there") from error
    for outdated in folder.glob(f"{whole.name}.*.part"):
        outdated.unlink()
    return whole


def _look_up(url: str) -> tuple[Any, str, dict[str, Any]]:
    """The URL's file system, the path in it, and what is known of the file."""
    import fsspec

    options = {"client_kwargs": {"trust_env": True}} if url.startswith("http") else {}  # the environment's proxy
    try:
        fs, path = fsspec.core.url_to_fs(url, **options)
        return fs, path, fs.info(path)
    except Exception as error:  # storage clients raise errors of their own
        cause = error.__cause__ or error  # fsspec takes any trouble on the web for a missing file
        if isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == NOT_FOUND:
            raise InputError(f"{url}: no such file; check the URL") from error
        raise RunError(f"{url}: cannot be reached ({_line(cause)})") from error


def _piece(fs: Any, path: str, start: int, end: int, size: int, url: str) -> bytes:
    """Bytes `start` to `end` of a file, or to its end where the server only sends files as a whole."""
    for attempt in range(ATTEMPTS):
        try:
            content: bytes = fs.cat_file(path, start, end)
        except Exception as error:
            if attempt + 1 < ATTEMPTS:
                continue
            raise RunError(
                f"{url}: stopped after {start} of {size} bytes, which are kept for the next time ({_line(error)})"
            ) from error
        if len(content) == size:
            return content[start:]
        if len(content) == end - start:
            return content
    raise RunError(
        f"{url}: sends other bytes than it is asked for; download it with a browser and give the file's path"
    )


def _from_hub(source: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

    owner, _, rest = source.removeprefix(HUB).partition("/")
    name, _, file = rest.partition("/")
    if not file:
        raise InputError(f"{source}: is not of the form {HUB}owner/name/file")
    try:
        return Path(hf_hub_download(f"{owner}/{name}", file))
    except (RemoteEntryNotFoundError, RepositoryNotFoundError):
        raise InputError(f"{source}: the model hub has no such file; check owner, name and file") from None
    except Exception as error:
        raise RunError(f"{source}: cannot be had from the model hub ({_line(error)})") from error


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:120]
