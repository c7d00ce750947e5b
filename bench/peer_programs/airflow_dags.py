"""What Airflow's dag processor finds: a task that notes when its first line ran, where the run's configuration says."""

import time
from pathlib import Path

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, max_active_runs=1000)
def first_line():
    @task
    def note(dag_run=None):
        Path(dag_run.conf["path"]).write_text(repr(time.time()))

    note()


first_line()
