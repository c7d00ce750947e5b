"""From a target to the channel of its kind."""

from headrace.server import channels
from headrace.server.channels import apprise, mail, slack, webhook
from headrace.wire import notifications


def build(target: notifications.Target, signing_secrets: tuple[str, ...] = ()) -> channels.Channel:
    """The channel that sends to this target. Only a webhook has signing secrets."""
    match target:
        case notifications.Webhook():
            return webhook.Webhook(target.url, signing_secrets)
        case notifications.Slack():
            return slack.Slack(target.url)
        case notifications.Mail():
            return mail.Mail(target.to, target.sender, target.smtp_url)
        case notifications.Apprise():
            return apprise.AppriseUrl(target.url)
