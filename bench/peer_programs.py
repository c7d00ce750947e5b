"""What peers are given to do, each as a program of its own: the same work as ours, in their words. `{count}` tasks."""

from measure import cpu_of
from peers import python_of

#: `count` tasks that do nothing, in one process and without a server.
NOOP = {
    "dagster": """
from dagster import job, op
@op
def noop(): pass
@job
def noops():
    for n in range({count}): noop.alias(f"noop_{{n}}")()
assert noops.execute_in_process().success
""",
    "luigi": """
import logging, luigi
class Noop(luigi.Task):
    number = luigi.IntParameter()
    done = set()
    def run(self): self.done.add(self.number)
    def complete(self): return self.number in self.done
assert luigi.build([Noop(number=n) for n in range({count})], local_scheduler=True, log_level="ERROR")
""",
}

#: `count` times fib(n), one after the other.
FIB = {
    "luigi": """
import luigi
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
class Fib(luigi.Task):
    number = luigi.IntParameter()
    done = set()
    def requires(self): return Fib(number=self.number - 1) if self.number else []
    def run(self):
        fib({n})
        self.done.add(self.number)
    def complete(self): return self.number in self.done
assert luigi.build([Fib(number={count} - 1)], local_scheduler=True, log_level="ERROR")
""",
}


def noop_microseconds(count: int = 300) -> dict[str, float]:
    """CPU per task of each peer that is installed: the difference between `count` tasks and one, whole processes."""
    found: dict[str, float] = {}
    for name, program in NOOP.items():
        if python := python_of(name):
            few, many = (cpu_of([python, "-c", program.format(count=each)]) for each in (1, 1 + count))
            found[name] = (many - few) / count * 1e6
    return found


def fib_ratios(count: int, n: int, floor: float) -> dict[str, float]:
    """CPU of the whole process over that of bare Python."""
    return {
        name: cpu_of([python, "-c", program.format(count=count, n=n)]) / floor
        for name, program in FIB.items()
        if (python := python_of(name))
    }
