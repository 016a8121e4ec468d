"""Problem
├── TemplateNotFound   404  no such template
├── TemplateNameTaken  409  the name belongs to another template
├── TemplateArchived   409  an archived template is not changed
├── TemplateInUse      409  a campaign still needs it
└── InvalidTemplate    422  it cannot be read, or names what nobody will fill in
"""

from ..core.problems import Problem


class TemplateNotFound(Problem, status=404, code="template-not-found", title="No such template"):
    """No template has this id. `GET /v1/templates` lists those there are; archived ones with `archived=true`."""


class TemplateNameTaken(Problem, status=409, code="template-name-taken", title="Another template has this name"):
    """Names are unique among the templates that are not archived. `existing_id` is the template that has it."""


class TemplateArchived(Problem, status=409, code="template-archived", title="The template is archived"):
    """An archived template keeps its words and is not changed any more. Make a new one."""


class TemplateInUse(Problem, status=409, code="template-in-use", title="A campaign still needs the template"):
    """`campaigns` names the codes of up to ten campaigns that use it and have not ended. Let them end, stop them, or
    give the drafts another template; then archive it.
    """


class InvalidTemplate(Problem, status=422, code="invalid-template", title="The template cannot be used"):
    """Something in `subject`, `text` or `html` cannot be read as Liquid, names a variable, a filter or a tag that there
    is not, or writes a value into a place of HTML where escaping does not protect. Each entry of `errors` says in which
    part (`pointer`) and in which line (`detail`). Nothing was stored.
    """
