// Decode reads a file as strictly as its owner does, and writes it as JSON: what
// Kubernetes and the Prometheus operator are to create, or a Compose project. A field
// that the owner does not know, or of another type, ends it with 1. It is a module of
// its own, so that the service does not require what it requires.
//
//	helm template … | go run . kubernetes
//	go run . compose compose.yaml
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	manifests "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	err := errors.New("usage: decode kubernetes < manifests, or decode compose FILE")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "kubernetes":
		err = kubernetes(os.Stdin, os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "compose":
		err = compose(os.Args[2], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "decode:", err)
		os.Exit(1)
	}
}

// kinds are those that the chart may have.
var kinds = map[meta.TypeMeta]func() any{
	{APIVersion: "v1", Kind: "Service"}:                              func() any { return new(core.Service) },
	{APIVersion: "apps/v1", Kind: "Deployment"}:                      func() any { return new(apps.Deployment) },
	{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:           func() any { return new(policy.PodDisruptionBudget) },
	{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}:  func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}:            func() any { return new(networking.Ingress) },
	{APIVersion: "monitoring.coreos.com/v1", Kind: "ServiceMonitor"}: func() any { return new(monitoring.ServiceMonitor) },
	{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule"}: func() any { return new(monitoring.PrometheusRule) },
}

// kubernetes writes the manifests as an array.
func kubernetes(in io.Reader, out io.Writer) error {
	all := []any{}
	for documents := manifests.NewYAMLReader(bufio.NewReader(in)); ; {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return json.NewEncoder(out).Encode(all)
		}
		if err != nil {
			return err
		}
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(text, &kind); err != nil {
			return err
		}
		if kind == (meta.TypeMeta{}) {
			continue // comments alone
		}
		create := kinds[kind]
		if create == nil {
			return fmt.Errorf("no kind that is known: %s of %s", kind.Kind, kind.APIVersion)
		}
		object := create()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			return fmt.Errorf("%s: %w", kind.Kind, err)
		}
		all = append(all, object)
	}
}

// compose writes the project, held to the schema of the Compose specification.
func compose(path string, out io.Writer) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithResolvedPaths(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
