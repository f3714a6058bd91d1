"""Tests as users write them: a transaction around each, on a database in memory. The environment names the portal."""

import os

import requests
from django.test import TestCase

from b24batch.django.models import PortalToken


class OfTheApplication(TestCase):
    def test_an_expired_token(self):
        PortalToken.objects.create(
            member_id="5a4db0c5a4db0c5a4db0c5a4db0c5a4d",
            access_token="expired",
            refresh_token=os.environ["REFRESH_TOKEN"],
            expires=0.0,
            client_endpoint=requests.compat.urljoin(os.environ["B24_TOKEN_URL"], "/rest/"),
        )
        answer = self.client.get("/stored/", {"member_id": "5a4db0c5a4db0c5a4db0c5a4db0c5a4d", "n": "1"})
        assert answer.json() == {"n": "1"}
        assert PortalToken.objects.get().expires > 0
