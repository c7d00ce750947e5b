/** A flow that anybody can run: three tasks, one of them mapped. */
export const OWN_FLOW = `from headrace import flow, task


@task
def numbers(upto: int) -> list[int]:
    return list(range(upto))


@task(retries=2)
def square(number: int) -> int:
    return number * number


@task
def total(squares: list[int]) -> int:
    return sum(squares)


@flow(name="my-flow")
def my_flow(upto: int = 10):
    return total(square.map(numbers(upto)))


if __name__ == "__main__":
    print(my_flow())
`
