"""Template tags for pages that a portal opens in a frame.

===============================================  ==================================================================
``{% b24_install_finish install %}``             the script that calls ``BX24.installFinish()``: the portal completes
                                                 the installation as soon as the page is loaded
``{% b24_install_finish install nonce=n %}``     the same with a nonce, for a Content Security Policy
``{% b24_fields placement %}``                   hidden fields for a form that is sent to a `placement_view`, in a
                                                 frame where cookies, and so ``{% csrf_token %}``, do not work
===============================================  ==================================================================

Both take the `b24batch.oauth.Install` or the `b24batch.oauth.Placement` of the view.
"""

from __future__ import annotations

import json
import time

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from b24batch.oauth.installations import Install
from b24batch.oauth.posted import Placement
from b24batch.wire.addresses import is_loopback

register = Library()

#: Bitrix24's library for pages in a frame.
_LIBRARY = "https://api.bitrix24.com/api/v1/"
_FINISH = (
    '<script src="{library}"{nonce}></script>\n'
    "<script{nonce}>BX24.init(function () {{ BX24.installFinish(); }});</script>"
)


@register.simple_tag
def b24_install_finish(form: Install | Placement, nonce: object = None) -> SafeString:
    """Return the script that completes the installation. A sandbox portal has a library of its own."""
    address = _check(form, "b24_install_finish").token.address
    text = "" if nonce is None else str(nonce)  # Django's own nonce is false until it is text
    library = f"{address.scheme}://{address.host}/api/v1/" if is_loopback(address.host) else _LIBRARY
    return format_html(_FINISH, library=library, nonce=format_html(' nonce="{}"', text) if text else "")


@register.simple_tag
def b24_fields(form: Install | Placement) -> SafeString:
    """Return the fields of a placement as hidden inputs, without the refresh token."""
    token = _check(form, "b24_fields").token
    placement, options = (form.placement, form.options) if isinstance(form, Placement) else ("DEFAULT", None)
    fields = {
        "DOMAIN": token.address.host,
        "PROTOCOL": "0" if token.address.scheme == "http" else "1",
        "LANG": form.language,
        "AUTH_ID": token.access_token.reveal(),
        "AUTH_EXPIRES": str(max(int(token.expires - time.time()), 0)),
        "SERVER_ENDPOINT": token.server_endpoint or "",
        "member_id": token.member_id,
        "PLACEMENT": placement,
        "PLACEMENT_OPTIONS": json.dumps(options),
    }
    return format_html_join("\n", '<input type="hidden" name="{}" value="{}">', fields.items())


def _check(form: object, tag: str) -> Install | Placement:
    """Return the form; a misspelt variable in a template is an empty string."""
    if isinstance(form, Install | Placement):
        return form
    raise TypeError(f"{tag}: expected the Install or the Placement of the view, got {type(form).__name__}")
