"""`mesh new`: a project, or a service in one, in the layout that this repository has itself.

One rule: all or nothing. What cannot be written whole is not begun, nothing that stands there is overwritten, and a
file of the user's is only ever added to.
"""

from mesh.scaffold.fault import ScaffoldError
from mesh.scaffold.project import new_project
from mesh.scaffold.service import find_project, new_service

__all__ = ["ScaffoldError", "find_project", "new_project", "new_service"]
