"""The OAuth server that issued a token."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds it; it is empty in the rows of before."""

    dependencies = (("b24batch", "0003_journal"),)
    operations = (
        migrations.AddField(
            model_name="portaltoken",
            name="server_endpoint",
            field=models.TextField(default="", help_text="The OAuth server; empty if it is not known"),
        ),
    )
