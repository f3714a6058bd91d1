"""An export that survives its workers. Start one with ``celery -A workers worker``."""

import os

import django
from celery import Celery, Task

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from b24batch import Command, RunBusy  # noqa: E402
from b24batch.django import DjangoJournal, get_session  # noqa: E402

app = Celery("workers", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])

# configuration: begin
app.conf.broker_transport_options = {"visibility_timeout": 3600}  # above stop_after + 660
app.conf.task_soft_time_limit = 900  # above stop_after + 120, and above stop_after + 660 if operating time may run out
app.conf.worker_prefetch_multiplier = 1  # a task that waits in a busy worker's memory is of no use to a free one
# configuration: end


def commands_of(export_id: int) -> list[Command]:
    """Return the commands of an export, which are the same each time."""
    return [
        Command("crm.deal.add", {"fields": {"TITLE": f"Deal {export_id}-{n}"}}, name=f"order-{n}") for n in range(60)
    ]


# task: begin
@app.task(bind=True, acks_late=True, reject_on_worker_lost=True, max_retries=None)
def export(self: Task, export_id: int) -> str:
    """Do a slice of an export; called again, it goes on."""
    b24 = get_session().with_options(max_wait=None)
    journal = DjangoJournal(f"export-{export_id}")
    try:
        result = b24.batch_by_chunk(commands_of(export_id), journal=journal, stop_after=60)
    except RunBusy as busy:  # delivered twice; do not return, or the other delivery is the last one
        raise self.retry(countdown=60, exc=busy) from busy
    for error in result.errors.values():
        if error.not_executed:  # credentials, network, rate: for a person, or autoretry_for with a backoff
            raise error
    if result.remaining():
        raise self.retry(countdown=1)  # the next slice
    return journal.summary()


# task: end
