// Package program judges programs by tests, with the same answer on every machine: what a program may use is counted, never
// timed, because a limit of time would be reached on a slow or busy machine by what passes on another.
//
// # The dialect
//
// Programs are Starlark (go.starlark.net), a dialect of Python: def and lambda, also recursive and nested, if, for, while, break,
// continue, integers, strings, lists, tuples, dictionaries, comprehensions, slices, and the functions
//
//	abs all any bool chr dict enumerate int list len max min ord range repr reversed sorted str tuple type zip
//
// As in Starlark, a string has no elements but s.elems(), there are no classes, no exceptions that one could catch, no chained
// comparisons, and no import. Beyond that it has
//
//   - no floats: no literal of one, no x / y, no float, no % of a string, which would print one;
//   - ASCII alone: what a letter is depends on the tables of Unicode, and these on the compiler's version;
//   - no sets, no bytes, no load, no print, no hash, no getattr and dir, no fail, no | of dictionaries;
//   - no * and ** in calls and parameters, and at most 32 arguments; a method must be called where it is named;
//   - integers of at most 1024 bits, 200 functions that call each other at a time, and lists in lists, where they are compared, printed
//     or looked up, to a depth of 8; so a list that holds itself can be made, but neither compared nor printed.
//
// The keys of a dictionary that is written out may be there twice, as in Python; the last one counts.
//
// # Why it is bounded
//
// A program has at most MaxSource bytes, so parsing it is bounded, and what it nests deeper than 200 is refused before the
// compiler sees it. It and its tests have MaxSteps steps. The interpreter counts one for each instruction, but one instruction could
// double a string, compare two trees or search a dictionary whose keys all have one hash. So the tree of the program is changed before it is
// compiled (rewrite.go): every operator, index, method and dictionary becomes the call of a function here, and each function that
// the program defines begins with one that charges for its frame and counts those that wait for it. What is left to the
// interpreter's own instructions moves references: names, constants, calls, jumps, iteration, unpacking, and, of lists and tuples that are
// written out, one reference for each instruction before. not, and the signs of an integer of bounded size, are bounded by themselves.
//
// The functions here charge before they work (charge.go): a step for each reference that is read or made, for 16 bytes, for 4 entries
// of a dictionary that is searched, and for an operation with wide integers as many as their words squared over 4. Comparing, printing and
// hashing go through all that a value holds, once for each way that leads there, so they are charged for a walk of the same
// length that is given up when the steps are used up. So time and memory are at most a constant for each step, and the
// constant is measured: BenchmarkAttack runs every attack that the tests know, and loops of what is dear for its steps.
//
// A name of Starlark that is not listed above is a function that refuses. A test holds the interpreter's names to that, so a new
// version brings no new ability by itself.
//
// # Why it is the same everywhere
//
// No clock, no map's order (dictionaries keep the order of insertion), no float, no address, no random hash can be seen by a program,
// and steps depend on the program alone. They do depend on how the interpreter compiles: its version is pinned in Version, which
// environments put into their digests, and TestGoldenSteps holds it to the same steps on every machine.
package program
