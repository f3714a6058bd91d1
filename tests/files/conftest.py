"""What the tests of files share: a folder on a portal, and a folder on this machine."""

from __future__ import annotations

import pytest


@pytest.fixture
def root(b24):
    """The id of the folder that is all of a storage."""
    return b24.call("disk.storage.get", {"id": 1}).data["ROOT_OBJECT_ID"]


@pytest.fixture
def stored(b24, root):
    """Stores a content on the portal, and returns the file's row."""

    def store(content, name="a.bin"):
        from b24batch.files import upload_file

        return upload_file(b24, root, (name, content), {"generateUniqueName": True})

    return store
