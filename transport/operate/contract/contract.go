// Package contract has the descriptions of the service that programs read: requests
// and refusals in OpenAPI 3.1, streams and sockets in AsyncAPI 3. They are kept by
// hand; tests of package transport hold them to its routes and to the list of refusals.
package contract

import "embed"

// Files are the descriptions.
//
//go:embed openapi.json asyncapi.json
var Files embed.FS
