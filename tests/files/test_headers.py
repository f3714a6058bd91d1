"""Headers of a file: the name in them comes back, and never leads out of a folder."""

from urllib.parse import quote

from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st

from b24batch.files.headers import get_name, is_file

#: What a file may be called, and pieces of headers that mean something.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\:"), min_size=1)
PIECES = st.sampled_from(
    ["attachment", ";", " ", "filename", "*", "=", "utf-8''", '"', "\\", "/", "..", "%2F", "%5C", "a"]
)


def as_received(text):
    """A header as http.client decodes it."""
    return text.encode().decode("latin-1")


@drawn(200)
@given(NAMES.filter(lambda name: name.strip() == name and name not in (".", "..")), st.booleans())
def test_names_come_back(name, both):
    """A name comes back from the forms in which a portal sends it, in any alphabet."""
    quoted = name.replace('"', r"\"")
    encoded = f"; filename*=utf-8''{quote(name, safe='')}" if both else ""
    headers = {"Content-Disposition": as_received(f'attachment; filename="{quoted}"') + encoded}
    assert get_name(headers) == name
    assert is_file(headers)


@drawn(500)
@given(st.lists(PIECES | st.text(max_size=3)).map("".join))
def test_no_name_leads_out_of_a_folder(text):
    """Whatever a header contains, the name has no folder, no control character and is no other folder's."""
    name = get_name({"Content-Disposition": f"attachment; {text}"})
    assert name not in (".", "..")
    assert not {*name} & {"/", "\\", "\x00", "\n", "\r"}
