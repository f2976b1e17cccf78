package krpc

import (
	"errors"
	"fmt"
)

// What Parse refuses. All of them are errors.Is ErrMalformed, none allocates: the sender is a stranger and his datagram
// is counted and dropped.
var (
	ErrMalformed = errors.New("krpc: malformed message")
	ErrTooLong   = fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxDatagram)
	ErrTooDeep   = fmt.Errorf("%w: nested deeper than %d", ErrMalformed, maxDepth)
	ErrNoKind    = fmt.Errorf("%w: y is not q, r or e", ErrMalformed)
)

// Error codes of BEP 5 (201 to 204) and BEP 44 (205 to 302). Others occur: bittorrent-dht sends 400.
const (
	CodeGeneric       = 201
	CodeServer        = 202
	CodeProtocol      = 203 // missing or wrong argument, bad token, invalid value
	CodeMethodUnknown = 204
	CodeValueTooBig   = 205 // v of a put above 1000 bytes
	CodeBadSignature  = 206
	CodeSaltTooBig    = 207 // salt of a put above 64 bytes
	CodeCasMismatch   = 301
	CodeSeqTooLow     = 302
)

// Error is the error answer to a query (BEP 5 "e"): one that a remote node sent, or one to be sent.
type Error struct {
	Code    int
	Message string
	// Bare: there is no code on the wire, as in the errors k-rpc makes from plain text. Code is then CodeGeneric.
	Bare bool
}

// Error returns code and text in one line.
func (e *Error) Error() string { return fmt.Sprintf("krpc: error %d: %s", e.Code, e.Message) }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, ErrMethodUnknown) looks at the code
// alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Answers that any server needs, ready for AppendError. They are shared: never write to them.
var (
	ErrServer        = &Error{Code: CodeServer, Message: "Server Error"}
	ErrProtocol      = &Error{Code: CodeProtocol, Message: "Protocol Error"}
	ErrBadToken      = &Error{Code: CodeProtocol, Message: "Bad token"}
	ErrMethodUnknown = &Error{Code: CodeMethodUnknown, Message: "Method Unknown"}
	ErrBadSignature  = &Error{Code: CodeBadSignature, Message: "Invalid signature"}
	ErrCasMismatch   = &Error{Code: CodeCasMismatch, Message: "CAS mismatch"}
	ErrSeqTooLow     = &Error{Code: CodeSeqTooLow, Message: "Sequence number less than current"}
)

// What the accessors of Message find wrong with a query.
var (
	errNotQuery    = &Error{Code: CodeProtocol, Message: "Not a query"}
	errBadMethod   = &Error{Code: CodeProtocol, Message: "No method"}
	errBadArgs     = &Error{Code: CodeProtocol, Message: "No arguments"}
	errID          = &Error{Code: CodeProtocol, Message: "Bad id"}
	errTarget      = &Error{Code: CodeProtocol, Message: "Bad target"}
	errInfoHash    = &Error{Code: CodeProtocol, Message: "Bad info_hash"}
	errPort        = &Error{Code: CodeProtocol, Message: "Bad port"}
	errNoValue     = &Error{Code: CodeProtocol, Message: "No value"}
	errValue       = &Error{Code: CodeProtocol, Message: "Value is not canonical"}
	errKey         = &Error{Code: CodeProtocol, Message: "Bad k, sig or seq"}
	errSalt        = &Error{Code: CodeProtocol, Message: "Bad salt"}
	errCas         = &Error{Code: CodeProtocol, Message: "Bad cas"}
	errValueTooBig = &Error{Code: CodeValueTooBig, Message: "Value too big"}
	errSaltTooBig  = &Error{Code: CodeSaltTooBig, Message: "Salt too big"}
)
