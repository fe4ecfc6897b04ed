# SPDX-License-Identifier: MIT
"""own_client.py: Firecracker's own API client (tests/framework/http_api.py) with its validator against its own API specification, out of a clone
of its repository that FIRECRACKER names (bare or not); nothing of it is kept here. It needs requests-unixsocket and jsonschema, which
Debian has. Bodies and answers that do not fit the specification are ValidationErrors."""

import os
import subprocess
import sys
import tempfile

FILES = ("tests/framework/http_api.py", "tests/framework/swagger_validator.py", "src/firecracker/swagger/firecracker.yaml")


class Missing(Exception):
    """Why it cannot be had."""


def load(sock):
    """Its Api object for the socket."""
    tree = os.environ.get("FIRECRACKER")
    if not tree:
        raise Missing("FIRECRACKER names no clone of Firecracker's repository")
    try:
        import jsonschema  # noqa: F401
        import requests_unixsocket  # noqa: F401
    except ImportError as e:
        raise Missing(f"python3-{e.name.replace('_', '-')} is not installed") from None
    folder = tempfile.TemporaryDirectory(prefix="mayfly-own-client-")
    for path in FILES:
        data = subprocess.run(["git", "-C", tree, "show", "HEAD:" + path], check=True, capture_output=True).stdout
        os.makedirs(os.path.join(folder.name, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(folder.name, path), "wb") as f:
            f.write(data)
    sys.path.insert(0, os.path.join(folder.name, "tests"))
    from framework.http_api import Api

    api = Api(sock)
    api.folder = folder  # lives as long
    return api


def fault(call, **args):
    """What it raises when the call is refused: the fault message."""
    try:
        call(**args)
    except RuntimeError as e:
        return e.args[0]
    raise AssertionError(f"not refused: {args}")
