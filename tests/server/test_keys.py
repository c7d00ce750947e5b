from headrace.wire import accounts, operations
from running import Server


def test_a_key_is_shown_once_and_listed_without_its_value(server: Server) -> None:
    made = server.call(operations.create_key, accounts.CreateKey(name="laptop"), server.as_.member)
    assert made.value.startswith("hru_")
    listed = server.call(operations.list_keys, accounts.ListKeys(), server.as_.member)
    assert [key.name for key in listed.items] == ["laptop"]
