"""People, service accounts, their keys and sessions."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.Text),
    #: Raised when all sessions must end: a password change, a deactivation.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant),
)

#: One-time links that sign in: the first start, a new user. Only the token's hash is kept, as of all links.
start_links = sa.Table(
    "start_links",
    metadata,
    sa.Column("token_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

#: People who may come in, by a link, once. The row goes when they do.
invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("token_sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("email", sa.Text, nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    #: administrator: somebody was invited; sign_up: they asked themselves, and show by the link that the address is theirs
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("mailed_at", Instant),
    sa.Column("mail_problem", sa.Text, nullable=False),
)

#: Links by which somebody sets a new password. Good while the user's generation is the same.
resets = sa.Table(
    "resets",
    metadata,
    sa.Column("token_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

#: One row, where somebody has set it: who may sign up. Without it nobody may.
sign_up_rule = sa.Table(
    "sign_up_rule",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("domains", Json, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
)

#: Who a user is at an identity provider. The subject never changes there; an address of mail may.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", "issuer"),
)

#: Sign-ins that are under way at the identity provider: the browser's cookie and the state, as hashes.
departures = sa.Table(
    "departures",
    metadata,
    sa.Column("state_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("ticket_sha256", sa.LargeBinary, nullable=False),
    sa.Column("next", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("token_sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False),
)

service_accounts = sa.Table(
    "service_accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("value_sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), index=True),
    sa.Column(
        "service_account_id", sa.Uuid, sa.ForeignKey("service_accounts.id", ondelete="CASCADE"), index=True
    ),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.CheckConstraint("(user_id IS NULL) <> (service_account_id IS NULL)", name="one_owner"),
)

#: Failed sign-ins and requests for mails, counted per address of mail and per address of network, for a while.
sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("since", Instant, nullable=False),
)
