"""Where a person looks at an object of the bucket."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from twin_matcher_dagster.storage.object_store import ObjectStore

_CONSOLES = {".amazonaws.com": "aws.amazon.com", ".amazonaws.com.cn": "amazonaws.cn"}


def console_url(store: ObjectStore, key: str) -> str:
    """The page of an object in AWS's console; empty with another S3 server, which has none."""
    host = urlsplit(store.client.meta.endpoint_url).hostname or ""
    consoles = (console for ending, console in _CONSOLES.items() if host.endswith(ending))
    if not (console := next(consoles, "")):
        return ""
    region = store.client.meta.region_name
    where = f"https://{region}.console.{console}/s3/object/{quote(store.bucket, safe='')}"
    return f"{where}?{urlencode({'region': region, 'prefix': key})}"
