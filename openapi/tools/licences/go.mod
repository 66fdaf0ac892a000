// Lists the licences of what the command is built from: a module of its own, like the other tools.
module cfaudit.example/openapi/tools/licences

go 1.26.0
