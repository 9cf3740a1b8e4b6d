module keystead.dev/probe

go 1.26
