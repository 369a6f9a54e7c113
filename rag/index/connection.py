"""The connection to a Qdrant server, and how the settings want its collections spread."""

import ssl

from qdrant_client import AsyncQdrantClient

from rag.errors import Misuse
from rag.index.collection import Layout
from rag.settings import IndexSettings


def connect(index: IndexSettings) -> AsyncQdrantClient:
    """A client of the server that the settings name. Asks it nothing yet; whoever calls closes it.

    Raises:
        Misuse: they name none, or a certificate file that cannot be read.
    """
    if index.url is None:
        raise Misuse("RINGFENCE_INDEX__KIND=server needs RINGFENCE_INDEX__URL.", code="bad_settings")
    # The client's own check of versions is a request in the constructor; `open_server` makes a stricter one.
    return AsyncQdrantClient(
        url=index.url,
        api_key=index.api_key.get_secret_value() if index.api_key else None,
        timeout=max(1, round(index.timeout_s)),
        check_compatibility=False,
        verify=trusted(index),
    )


def trusted(index: IndexSettings) -> ssl.SSLContext | bool:
    """Whose signature on the server's certificate is believed, as httpx takes it: True is the public authorities'.

    Raises:
        Misuse: the settings name a file that holds no certificate.
    """
    if index.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=index.ca_file)
    except OSError as cause:  # an unreadable file, or one without a certificate
        raise Misuse(f"RINGFENCE_INDEX__CA_FILE: {index.ca_file} holds no certificate.", code="bad_settings") from cause


def layout_of(index: IndexSettings) -> Layout:
    return Layout(index.shards, index.replicas, index.write_consistency)
