module keystead.dev/go-files

go 1.26
