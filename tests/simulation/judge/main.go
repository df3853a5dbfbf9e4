// Judges histories of registers and locks: are they linearizable, key by key?
//
// Each argument is a file with one call a line, as nacos_core.simulation writes them. Prints a line for each file:
// "linearizable", "not linearizable: key ...", or "undecided: key ..." after a minute. Exits with 1 unless all are
// linearizable.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

type call struct {
	Client     int      `json:"client"`
	Kind       string   `json:"kind"`
	Key        string   `json:"key"`
	CalledAt   float64  `json:"called_at"`
	Value      int      `json:"value"`
	Expected   int      `json:"expected"`
	HeldMs     int64    `json:"held_ms"`
	ReturnedAt *float64 `json:"returned_at"`
	Result     int      `json:"result"`
}

// A register of one key that begins with 0.
var register = porcupine.Model{
	Init: func() interface{} { return 0 },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		value, made := state.(int), input.(call)
		isKnown := made.ReturnedAt != nil
		switch made.Kind {
		case "write":
			return true, made.Value
		case "swap":
			may := value == made.Expected
			if isKnown && may != (made.Result == 1) {
				return false, value
			}
			if may {
				return true, made.Value
			}
			return true, value
		case "read":
			return value == made.Result, value
		}
		panic("a call of unknown kind: " + made.Kind)
	},
	DescribeOperation: func(input, output interface{}) string {
		made := input.(call)
		return fmt.Sprintf("%s %d expected %d: %d", made.Kind, made.Value, made.Expected, made.Result)
	},
}

// A lock of one key: who acquires it has it until somebody releases it or its time is over, and then it is anybody's.
//
// When its time is over is only known within the call that acquired it, and only where all clocks show the same.
type lock struct {
	isHeld    bool
	overFrom  int64 // nanoseconds: its time is over then at the earliest,
	overUntil int64 // and then at the latest
	token     int   // the highest that anybody was told
}

const millisecond = int64(time.Millisecond)

var locks = porcupine.Model{
	Init: func() interface{} { return lock{} },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		held, made := state.(lock), input.(call)
		called, returned := nanoseconds(made.CalledAt), made.returned()
		mayBeFree := !held.isHeld || returned >= held.overFrom
		mayBeHeld := held.isHeld && called <= held.overUntil
		free := lock{token: held.token}
		// Clocks show whole milliseconds.
		acquired := lock{true, called + (made.HeldMs-1)*millisecond, math.MaxInt64, held.token}
		switch {
		case made.Kind == "acquire" && made.ReturnedAt == nil:
			return true, acquired // if it was not, then it comes after all others
		case made.Kind == "acquire" && made.Result == 0:
			return mayBeHeld, held
		case made.Kind == "acquire":
			acquired.overUntil, acquired.token = returned+(made.HeldMs+1)*millisecond, made.Result
			return mayBeFree && made.Result > held.token, acquired
		case made.Kind == "release" && made.ReturnedAt == nil:
			return true, free
		case made.Kind == "release" && made.Result == 0:
			return mayBeFree, free
		case made.Kind == "release":
			return mayBeHeld, free
		}
		panic("a call of unknown kind: " + made.Kind)
	},
	DescribeOperation: func(input, output interface{}) string {
		made := input.(call)
		return fmt.Sprintf("%s for %d ms: %d", made.Kind, made.HeldMs, made.Result)
	},
}

// What was never answered may have happened at any time since it was called.
func (made call) returned() int64 {
	if made.ReturnedAt == nil {
		return math.MaxInt64
	}
	return nanoseconds(*made.ReturnedAt)
}

func modelOf(operations []porcupine.Operation) porcupine.Model {
	switch operations[0].Input.(call).Kind {
	case "acquire", "release":
		return locks
	}
	return register
}

func load(path string) (map[string][]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	operations := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var made call
		if err := json.Unmarshal(lines.Bytes(), &made); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if made.Kind == "read" && made.ReturnedAt == nil {
			continue // it changed nothing, and nobody was told anything
		}
		operations[made.Key] = append(operations[made.Key], porcupine.Operation{
			ClientId: made.Client, Input: made, Call: nanoseconds(made.CalledAt), Return: made.returned(),
		})
	}
	return operations, lines.Err()
}

func nanoseconds(seconds float64) int64 { return int64(math.Round(seconds * 1e9)) }

func judge(path string) (string, error) {
	operations, err := load(path)
	if err != nil {
		return "", err
	}
	keys := make([]string, 0, len(operations))
	for key := range operations {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		switch porcupine.CheckOperationsTimeout(modelOf(operations[key]), operations[key], time.Minute) {
		case porcupine.Illegal:
			return "not linearizable: " + key, nil
		case porcupine.Unknown:
			return "undecided: " + key, nil
		}
	}
	return "linearizable", nil
}

func main() {
	code := 0
	for _, path := range os.Args[1:] {
		verdict, err := judge(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Println(verdict)
		if verdict != "linearizable" {
			code = 1
		}
	}
	os.Exit(code)
}
