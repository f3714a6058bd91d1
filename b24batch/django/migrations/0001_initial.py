"""The table of portal tokens."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates it."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="PortalToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("member_id", models.CharField(max_length=64, unique=True)),
                ("access_token", models.TextField()),
                ("refresh_token", models.TextField(null=True)),
                ("expires", models.FloatField(help_text="Unix time in seconds")),
                ("client_endpoint", models.TextField()),
                ("application_token", models.TextField(default="")),
                ("updated", models.DateTimeField(auto_now=True)),
            ],
        ),
    )
