"""The smallest flow: a list, a task for each item, a retry where it may fail. Run it, then register it."""

from headrace import flow, task


@task(retries=2, retry_delay=1)
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def square(x: int) -> int:
    return x * x


@flow
def squares(n: int = 10):
    return square.map(numbers(n))


if __name__ == "__main__":
    print(squares(n=4))
    squares.register(project="demo")
