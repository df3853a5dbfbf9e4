"""Turns what a client asks for into a command that makes sense, or says why it does not."""

from typing import TypedDict, Unpack

from nacos_core.commands import DescribeConfig, PublishConfig, RemoveConfig
from nacos_core.config import rules
from nacos_core.config.validation import Validation


class Attributes(TypedDict, total=False):
    """What a publication may have beside its key, content and type."""

    cas_md5: str
    create_only: bool
    encrypted_data_key: str
    description: str | None
    application: str | None
    tags: str | None
    use: str | None
    effect: str | None
    schema: str | None
    source_user: str | None
    source_ip: str | None


class ConfigService:
    """Makes the commands; every API that publishes or removes goes through here."""

    def __init__(self, validation: Validation | None = None) -> None:
        self._validation = validation or Validation()

    def publication(
        self,
        tenant: str | None,
        group: str,
        data_id: str,
        content: str,
        type: str | None,
        **attributes: Unpack[Attributes],
    ) -> PublishConfig:
        """The command that publishes.

        Raises:
            ParameterRefused: a name breaks the rules of names.
            ConfigRefused: a name or the content is blank, something is too long, or the content is not of its type.
        """
        namespace = rules.namespace_of(tenant)
        rules.check_key(namespace, group, data_id)
        rules.check_key_present(group, data_id)
        rules.check_content(content)
        command = PublishConfig(
            namespace,
            group,
            data_id,
            content.encode(),
            rules.known_type(type),
            **attributes,
        )
        rules.check_attributes(command)
        self._validation.check(namespace, group, data_id, command.type, content)
        return command

    def description(
        self,
        tenant: str | None,
        group: str,
        data_id: str,
        description: str | None,
        tags: str | None,
        *,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> DescribeConfig:
        """The command that changes what is said of a configuration. None: that stays; empty: it goes.

        Raises:
            ParameterRefused: a name breaks the rules of names.
            ConfigRefused: a name is blank, something is too long, or nothing is to be changed.
        """
        namespace = rules.namespace_of(tenant)
        rules.check_key(namespace, group, data_id)
        rules.check_key_present(group, data_id)
        rules.check_description(description, tags)
        if description is None and tags is None:
            raise rules.ConfigRefused("neither description nor tags are given: there is nothing to change")
        return DescribeConfig(namespace, group, data_id, description, tags, source_user, source_ip)

    def removal(
        self,
        tenant: str | None,
        group: str,
        data_id: str,
        *,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> RemoveConfig:
        """The command that removes.

        Raises:
            ParameterRefused: a name breaks the rules of names.
            ConfigRefused: a name is blank.
        """
        namespace = rules.namespace_of(tenant)
        rules.check_key(namespace, group, data_id)
        rules.check_key_present(group, data_id)
        return RemoveConfig(namespace, group, data_id, source_user, source_ip)
