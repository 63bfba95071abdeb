// Package deploy tests the files of deploy/ with the programs that they are for.
package deploy
