module vtask.dev/client/go

go 1.18
