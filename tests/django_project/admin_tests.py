"""What an administrator sees, and what a test in a transaction on a database in memory does with a journal."""

import os

from django.contrib.auth.models import User
from django.test import TestCase

from b24batch import Session
from b24batch.django import DjangoJournal, JournalCommand, JournalRun, PortalToken

SECRETS = ("access-c0de", "refresh-c0de", "application-c0de", "replaced-c0de", "endpoint-c0de")
CALLS = [("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}) for n in range(9)]


def run(concurrency):
    with Session(os.environ["B24_WEBHOOK_URL"], limits=None) as b24:
        return b24.batch_by_chunk(CALLS, journal=DjangoJournal("export"), chunk_size=2, concurrency=concurrency)


class OfTheAdmin(TestCase):
    def setUp(self):
        self.client.force_login(User.objects.create_superuser("admin"))
        PortalToken.objects.create(
            member_id="a-portal",
            access_token=SECRETS[0],
            refresh_token=SECRETS[1],
            expires=0.0,
            application_token=SECRETS[2],
            replaced=SECRETS[3],
            client_endpoint=SECRETS[4],
        )
        run(1)

    def test_pages(self):
        for model in (PortalToken, JournalRun, JournalCommand):
            name = model._meta.model_name
            row = model.objects.first()
            pages = [f"/admin/b24batch/{name}/", f"/admin/b24batch/{name}/{row.pk}/change/"]
            shown = [self.client.get(page) for page in pages]
            assert [page.status_code for page in shown] == [200, 200]
            assert {PortalToken: b"a-portal", JournalRun: b"export", JournalCommand: b"crm.deal.add"}[model] in shown[
                1
            ].content
            assert not [secret for secret in SECRETS for page in shown if secret.encode() in page.content]
            for action in ("add", f"{row.pk}/delete"):
                assert self.client.get(f"/admin/b24batch/{name}/{action}/").status_code == 403
            assert self.client.post(pages[1], {"name": "x", "member_id": "x"}).status_code == 403


class OfAJournal(TestCase):
    def test_runs(self):
        for concurrency in (1, 4):
            assert run(concurrency).is_success
        assert JournalCommand.objects.filter(status="ok").count() == len(CALLS)
        assert JournalRun.objects.get().lives == 2
