"""Pages in Django's admin, where nothing can be changed: journals, and portal tokens without the tokens."""

from __future__ import annotations

from django.contrib import admin

from b24batch.django.models import JournalCommand, JournalRun, PortalToken


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows, and neither adds, changes nor deletes them."""

    show_full_result_count = False

    def has_add_permission(self, *_: object) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, *_: object) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, *_: object) -> bool:
        """Return False."""
        return False


@admin.register(PortalToken)
class PortalTokenAdmin(ReadOnlyAdmin):
    """Shows which portals have a token, and when it was last renewed, but no secret."""

    fields = ("member_id", "updated")
    list_display = fields
    search_fields = ("member_id",)


@admin.register(JournalRun)
class JournalRunAdmin(ReadOnlyAdmin):
    """Shows the runs with a journal, and who has them."""

    list_display = ("name", "portal", "owner", "since", "until", "lives")
    search_fields = ("name", "portal")


@admin.register(JournalCommand)
class JournalCommandAdmin(ReadOnlyAdmin):
    """Shows the outcomes of commands; ``sent`` means that there is no answer yet, or that the run died."""

    list_display = ("key", "run", "method", "status", "request_id", "sent", "deaths", "error")
    list_filter = ("status",)
    list_select_related = ("run",)
    search_fields = ("=key", "=run__name", "=request_id")
