package config

import (
	"fmt"
	"io"

	"event-dispatcher/transport/access"
)

const tokenUsage = `Usage: event_dispatcher token

Prints a new token and its SHA-256. The token is for the one who sends or listens, as
Authorization: Bearer; it is shown once. The hash goes into the file of -access, with a
name and roles: publish, consume, operate. Nothing is stored, and nothing is started.
`

// Token is the command that makes one.
func Token(args []string, w io.Writer) error {
	text := access.Describe(access.NewToken())
	if len(args) > 0 {
		switch args[0] {
		case "-h", "-help", "--help", "help":
			text = tokenUsage
		default:
			return fmt.Errorf("%w: unexpected argument %q: event_dispatcher token takes none", ErrUsage, args[0])
		}
	}
	_, err := io.WriteString(w, text)
	return err
}
