"""The client's methods for people: `Client().people`."""

import difflib
from collections.abc import Iterator
from datetime import timedelta

from headrace import errors
from headrace.client.connection import Connection
from headrace.wire import accounts, operations


class People:
    """Who may use this server. Somebody is named by their address of mail."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[accounts.User]:
        """Everybody with an account."""
        return self._connection.pages(operations.list_users, accounts.ListUsers())

    def invite(
        self, email: str, *, role: accounts.UserRole = "member", lasts: timedelta = timedelta(days=7)
    ) -> accounts.CreatedInvitation:
        """Invites somebody: `.link` is shown this once, and goes by mail too where the server sends mails.

        Raises errors.Conflict where they have an account.
        """
        request = accounts.CreateInvitation(email=email, role=role, expires_in_seconds=lasts.total_seconds())
        return self._connection.call(operations.create_invitation, request)

    def invitations(self) -> Iterator[accounts.Invitation]:
        """Who may come in and has not."""
        return self._connection.pages(operations.list_invitations, accounts.ListInvitations())

    def withdraw(self, email: str) -> None:
        """Takes the invitations of this address back. Raises errors.NotFound."""
        open_ = list(self.invitations())
        of_email = [one for one in open_ if one.email == email.strip().lower()]
        if not of_email:
            raise _unknown("invitation of", email, [one.email for one in open_])
        for invitation in of_email:
            self._connection.call(
                operations.delete_invitation, accounts.InvitationRef(invitation_id=invitation.id)
            )

    def set_role(self, email: str, role: accounts.UserRole) -> accounts.User:
        """Raises errors.Conflict for the last administrator."""
        request = accounts.UpdateUser(user_id=self.find(email).id, role=role)
        return self._connection.call(operations.update_user, request)

    def deactivate(self, email: str) -> accounts.User:
        """Ends their sessions and keys at once; `activate` lets them in again. Raises errors.Conflict for the last administrator."""
        request = accounts.UpdateUser(user_id=self.find(email).id, active=False)
        return self._connection.call(operations.update_user, request)

    def activate(self, email: str) -> accounts.User:
        request = accounts.UpdateUser(user_id=self.find(email).id, active=True)
        return self._connection.call(operations.update_user, request)

    def reset(self, email: str) -> accounts.Reset:
        """A link by which they set a new password; shown this once."""
        return self._connection.call(operations.create_reset, accounts.UserRef(user_id=self.find(email).id))

    def find(self, email: str) -> accounts.User:
        """Who has this address. Raises errors.NotFound."""
        everybody = list(self.list())
        for user in everybody:
            if user.email == email.strip().lower():
                return user
        raise _unknown("user with", email, [user.email for user in everybody])

    def sign_up_rule(self) -> accounts.SignUpRule:
        """Who may come in without an invitation."""
        return self._connection.call(operations.read_sign_up_rule, accounts.ReadSignUpRule())


def _unknown(what: str, email: str, known: list[str]) -> errors.NotFound:
    close = difflib.get_close_matches(email, known, 1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else "`headrace user list` and `headrace user invitations` show them"
    )
    return errors.NotFound(f"there is no {what} the address {email}; {hint}")
