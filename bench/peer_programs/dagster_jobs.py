"""Runs inside Dagster's environment: `noop COUNT`, `mapped COUNT`, `fib COUNT N` run here; `defs` is for its servers."""

import sys
import time
from pathlib import Path

from dagster import (
    DagsterInstance,
    Definitions,
    DependencyDefinition,
    DynamicOut,
    DynamicOutput,
    GraphDefinition,
    In,
    JobDefinition,
    NodeInvocation,
    Nothing,
    in_process_executor,
    job,
    op,
)


@op
def noop() -> None:
    pass


@op
def one(item: int) -> int:
    return item


@op(config_schema={"path": str})
def note(context) -> None:
    Path(context.op_config["path"]).write_text(repr(time.time()))


@job(executor_def=in_process_executor)
def first_line():
    note()


def plain_fib(n: int) -> int:
    return n if n < 2 else plain_fib(n - 1) + plain_fib(n - 2)


def flat(count: int) -> JobDefinition:
    nodes = {NodeInvocation("noop", f"noop_{number}"): {} for number in range(count)}
    return GraphDefinition("flat", node_defs=[noop], dependencies=nodes).to_job()


def mapped(count: int) -> JobDefinition:
    @op(out=DynamicOut())
    def numbers():
        for number in range(count):
            yield DynamicOutput(number, mapping_key=str(number))

    @job
    def made():
        numbers().map(one)

    return made


def chain(count: int, n: int) -> JobDefinition:
    @op(ins={"before": In(Nothing)})
    def fib() -> int:
        return plain_fib(n)

    nodes = {NodeInvocation("fib", "fib_0"): {}}
    for number in range(1, count):
        nodes[NodeInvocation("fib", f"fib_{number}")] = {"before": DependencyDefinition(f"fib_{number - 1}")}
    return GraphDefinition("chain", node_defs=[fib], dependencies=nodes).to_job()


defs = Definitions(jobs=[first_line])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["noop", count]:
            made = flat(int(count))
        case ["mapped", count]:
            made = mapped(int(count))
        case ["fib", count, n]:
            made = chain(int(count), int(n))
    assert made.execute_in_process(instance=DagsterInstance.get()).success
