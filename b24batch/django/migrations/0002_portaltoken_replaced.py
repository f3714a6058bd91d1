"""What is remembered of the tokens that were replaced."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds their fingerprints."""

    dependencies = (("b24batch", "0001_initial"),)
    operations = (
        migrations.AddField(
            model_name="portaltoken",
            name="replaced",
            field=models.TextField(default="", help_text="Fingerprints of the tokens before this one"),
        ),
    )
