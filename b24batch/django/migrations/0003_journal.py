"""The tables of journals."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates them."""

    dependencies = (("b24batch", "0002_portaltoken_replaced"),)

    operations = (
        migrations.CreateModel(
            name="JournalRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("portal", models.CharField(max_length=255)),
                ("epoch", models.BigIntegerField(default=0, help_text="How often somebody took the run")),
                (
                    "until",
                    models.DateTimeField(help_text="When the lease ends; empty if nobody has the run", null=True),
                ),
                (
                    "owner",
                    models.CharField(
                        default="", help_text="The process that has the run, or had it last", max_length=255
                    ),
                ),
                ("since", models.DateTimeField(help_text="When that process took it", null=True)),
                ("lives", models.BigIntegerField(default=0, help_text="How often the run was started")),
                ("requests", models.BigIntegerField(default=0, help_text="The number of the last request")),
            ],
        ),
        migrations.CreateModel(
            name="JournalCommand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(help_text="The command's name, or its position", max_length=255)),
                ("position", models.BigIntegerField(null=True)),
                ("method", models.CharField(max_length=255)),
                ("digest", models.CharField(max_length=24)),
                ("request", models.BigIntegerField(help_text="The number of the request that sent it last")),
                ("request_id", models.CharField(max_length=160)),
                ("sent", models.DateTimeField()),
                ("status", models.CharField(max_length=8)),
                ("data", models.TextField(null=True)),
                ("error", models.TextField(null=True)),
                ("total", models.BigIntegerField(null=True)),
                ("next", models.BigIntegerField(null=True)),
                ("http_status", models.IntegerField(null=True)),
                (
                    "deaths",
                    models.IntegerField(default=0, help_text="How many starts in a row died while it was being sent"),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="commands",
                        to="b24batch.journalrun",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("run", "key"), name="b24batch_one_command_per_key")],
            },
        ),
    )
