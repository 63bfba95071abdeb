package websocket

// Opcodes (RFC 6455, section 5.2), with the bit that says that the frame is whole.
const (
	final   = 0x80
	opText  = final | 0x1
	opClose = final | 0x8
	opPing  = final | 0x9
	opPong  = final | 0xA
)

// Close codes (RFC 6455, section 7.4.1).
const (
	CodeGoingAway = 1001
	CodePolicy    = 1008

	codeProtocol = 1002
	codeNotUTF8  = 1007
	codePolicy   = CodePolicy
	codeTooBig   = 1009
)
