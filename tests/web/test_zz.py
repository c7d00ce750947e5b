import logging
def test_x(http, capsys):
    l=logging.getLogger("uvicorn.access")
    print("XX", l.propagate, l.hasHandlers(), l.handlers, l.disabled)
    assert 0
