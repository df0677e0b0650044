// SPDX-License-Identifier: Apache-2.0

// Package vtask tells vtask, from inside a task, what a tool really read, wrote
// and cared about. It speaks the protocol of docs/TOOL_IPC.md with nothing but
// Go's standard library: no cgo, no generated code.
//
//	client := vtask.Open()
//	defer client.Close()
//	client.IgnoreOutput(".cache")
//	mode, isSet, err := client.Getenv("MY_MODE")
//
// Outside of a run reports do nothing and variables come from the process's own
// environment, so a tool calls the same functions always. A Client may be used
// by any number of goroutines at once. No error is a reason for a tool to fail.
package vtask

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Fields of the ToolRequest's oneof, proto/vtask/tool/v1/tool.proto.
const (
	hello        = 2
	ignoreInput  = 3
	ignoreOutput = 4
	trackInput   = 5
	trackOutput  = 6
	getEnv       = 7
	getEnvs      = 8
	disableCache = 9
	trackValue   = 10
	syncRequest  = 11
)

const (
	maxFrame = 1 << 20
	patience = 10 * time.Second
)

// ErrGone is returned when the endpoint does not answer any more. The run is
// then not stored.
var ErrGone = errors.New("vtask: the endpoint is gone")

// A Client is one connection to the endpoint of the task, or to nobody.
type Client struct {
	mutex  sync.Mutex
	conn   net.Conn // nil: outside of a run, or gone
	inRun  bool
	lastID uint64
}

// Open connects to the endpoint of the task that this process runs in. It never
// fails: a client that reaches nobody does nothing.
func Open() *Client {
	name := os.Getenv("VT_IPC")
	if name == "" {
		name = os.Getenv("VP_RUN_IPC_NAME")
	}
	if name == "" {
		return &Client{}
	}
	client := &Client{inRun: true}
	conn, err := dial(name)
	if err != nil {
		return client
	}
	client.conn = conn
	message := number(1, 1)
	message = append(message, bytesField(2, []byte("go/1"))...)
	message = append(message, number(3, uint64(os.Getpid()))...)
	message = append(message, bytesField(4, []byte(os.Args[0]))...)
	if _, err := client.ask(hello, message); err != nil {
		client.drop()
	}
	return client
}

// A socket's address holds 107 bytes; the rest goes by the directory.
func dial(name string) (net.Conn, error) {
	if len(name) > 107 {
		directory, err := os.Open(filepath.Dir(name))
		if err != nil {
			return nil, err
		}
		defer directory.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), filepath.Base(name))
	}
	return net.DialTimeout("unix", name, patience)
}

// Close ends the connection. Everything reported before counts.
func (c *Client) Close() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.drop()
}

// Active says whether there is an endpoint that listens.
func (c *Client) Active() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.conn != nil
}

// IgnoreInput leaves reads at and below path out of what makes the task run
// again. Relative paths start at the working directory.
func (c *Client) IgnoreInput(path string) error { return c.reportPath(ignoreInput, path) }

// IgnoreOutput keeps writes at and below path from being stored and restored.
func (c *Client) IgnoreOutput(path string) error { return c.reportPath(ignoreOutput, path) }

// TrackInput counts path as read although nobody saw it.
func (c *Client) TrackInput(path string) error { return c.reportPath(trackInput, path) }

// TrackOutput counts path as written although nobody saw it.
func (c *Client) TrackOutput(path string) error { return c.reportPath(trackOutput, path) }

// TrackValue makes the result depend on value, too.
func (c *Client) TrackValue(key string, value []byte) error {
	return c.report(trackValue, append(bytesField(1, []byte(key)), bytesField(2, value)...))
}

// DisableCache keeps this run from being stored; reason is shown to the user.
func (c *Client) DisableCache(reason string) error {
	return c.report(disableCache, bytesField(1, []byte(strings.ToValidUTF8(reason, "?"))))
}

// Getenv asks for a variable as `vt run` was given it. The result depends on
// the answer.
func (c *Client) Getenv(name string) (value string, isSet bool, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.inRun {
		value, isSet = os.LookupEnv(name)
		return value, isSet, nil
	}
	reply, err := c.ask(getEnv, append(bytesField(1, []byte(name)), number(2, 1)...))
	if err != nil {
		return "", false, err
	}
	err = eachField(reply, func(field int, _ uint64, data []byte) error {
		if field != 4 {
			return nil
		}
		return eachField(data, func(field int, number uint64, data []byte) error {
			if field == 1 {
				isSet = number != 0
			} else if field == 2 {
				value = string(data)
			}
			return nil
		})
	})
	return value, isSet, err
}

// GetenvPrefix asks for all variables whose name begins with prefix; the empty
// prefix matches none.
func (c *Client) GetenvPrefix(prefix string) (map[string]string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	found := map[string]string{}
	if !c.inRun {
		for _, entry := range os.Environ() {
			if name, value, ok := strings.Cut(entry, "="); ok && prefix != "" &&
				strings.HasPrefix(name, prefix) {
				found[name] = value
			}
		}
		return found, nil
	}
	query := bytesField(1, bytesField(2, []byte(prefix)))
	reply, err := c.ask(getEnvs, append(query, number(2, 1)...))
	if err != nil {
		return nil, err
	}
	err = eachField(reply, func(field int, _ uint64, data []byte) error {
		if field != 5 {
			return nil
		}
		return eachField(data, func(_ int, _ uint64, variable []byte) error {
			var name, value string
			err := eachField(variable, func(field int, _ uint64, data []byte) error {
				if field == 1 {
					name = string(data)
				} else if field == 2 {
					value = string(data)
				}
				return nil
			})
			found[name] = value
			return err
		})
	})
	return found, err
}

// Sync waits until everything reported has been taken.
func (c *Client) Sync() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.inRun {
		return nil
	}
	_, err := c.ask(syncRequest, nil)
	return err
}

func (c *Client) reportPath(request int, path string) error {
	if path == "" {
		return errors.New("vtask: an empty path")
	}
	if !strings.HasPrefix(path, "/") {
		directory, err := os.Getwd()
		if err != nil {
			return err
		}
		// Not cleaned: bytes as the tool spells them.
		path = directory + "/" + path
	}
	return c.report(request, bytesField(1, []byte(path)))
}

// One write, no answer.
func (c *Client) report(request int, message []byte) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.inRun {
		return nil
	}
	return c.send(bytesField(request, message))
}

// Needs the mutex, as all that follows. Returns the fields of the ToolReply.
func (c *Client) ask(request int, message []byte) ([]byte, error) {
	c.lastID++
	if err := c.send(append(number(1, c.lastID), bytesField(request, message)...)); err != nil {
		return nil, err
	}
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		reply, err := readFrame(c.conn)
		if err != nil {
			c.drop()
			return nil, ErrGone
		}
		var id uint64
		var refusal string
		if err := eachField(reply, func(field int, number uint64, data []byte) error {
			if field == 1 {
				id = number
			} else if field == 2 {
				refusal = string(data)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if id != c.lastID {
			continue
		}
		if refusal != "" {
			return nil, errors.New("vtask: " + refusal)
		}
		return reply, nil
	}
}

func (c *Client) send(body []byte) error {
	if c.conn == nil {
		return ErrGone
	}
	if len(body) > maxFrame {
		return errors.New("vtask: too long for a frame")
	}
	frame := make([]byte, 4, 4+len(body))
	binary.LittleEndian.PutUint32(frame, uint32(len(body)))
	if _, err := c.conn.Write(append(frame, body...)); err != nil {
		c.drop()
		return ErrGone
	}
	return nil
}

func (c *Client) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func readFrame(reader io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size == 0 || size > maxFrame {
		return nil, errors.New("vtask: a broken frame")
	}
	body := make([]byte, size)
	_, err := io.ReadFull(reader, body)
	return body, err
}

// The protobuf wire format: a number is field<<3|0, bytes are field<<3|2.

func varint(n uint64) []byte {
	var buffer [binary.MaxVarintLen64]byte
	return append([]byte(nil), buffer[:binary.PutUvarint(buffer[:], n)]...)
}

func number(field int, value uint64) []byte {
	return append(varint(uint64(field)<<3), varint(value)...)
}

func bytesField(field int, value []byte) []byte {
	head := append(varint(uint64(field)<<3|2), varint(uint64(len(value)))...)
	return append(head, value...)
}

func eachField(message []byte, visit func(field int, number uint64, data []byte) error) error {
	broken := errors.New("vtask: a malformed answer")
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return broken
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return broken
		}
		message = message[n:]
		var data []byte
		switch tag & 7 {
		case 0:
		case 2:
			if value > uint64(len(message)) {
				return broken
			}
			data, message = message[:value], message[value:]
			value = 0
		default:
			return broken // the protocol has no others
		}
		if err := visit(int(tag>>3), value, data); err != nil {
			return err
		}
	}
	return nil
}
