package main

const (
	base       = "base"
	keda       = "overlays/keda"
	rights     = "overlays/rights"
	controller = "overlays/worker-controller"
	versioned  = "overlays/worker-controller/versioned/"
)

// typeMutations are mistakes that the types find.
func typeMutations() []mutation {
	return []mutation{
		{"a field that does not exist", base, "base/api.yaml", "  replicas: 2", "  replica: 2", `unknown field "spec.replica"`},
		{"a field in another case", base, "base/api.yaml", "periodSeconds: 2", "periodseconds: 2", `unknown field "spec.template.spec.containers[0].startupProbe.periodseconds"`},
		{"a value of another type", base, "base/api.yaml", "  replicas: 2", "  replicas: two", "Deployment orderflow-api: "},
		{"a field of a policy", base, "base/network-policies.yaml", "policyTypes: [Ingress, Egress]", "policyType: [Ingress, Egress]", `unknown field "spec.policyType"`},
		{"a field of KEDA", keda, keda + "/scaled-object.yaml", "maxReplicaCount: 8", "maxReplicas: 8", `unknown field "spec.maxReplicas"`},
		{"a field of a WorkerDeployment", controller, versioned + "worker-deployment.yaml", "temporalNamespace:", "namespace:", `unknown field "spec.workerOptions.namespace"`},
		{"a field of a Connection", controller, versioned + "connection.yaml", "hostPort:", "address:", `unknown field "spec.address"`},
		{"a reference of older releases", controller, versioned + "autoscaler.yaml", "workerDeploymentRef:", "temporalWorkerDeploymentRef:", `unknown field "spec.temporalWorkerDeploymentRef"`},
		{"a field of a template", controller, versioned + "autoscaler.yaml", "averageUtilization: 70", "utilization: 70", `unknown field "spec.metrics[0].resource.target.utilization"`},
		{"a field of a CronJob", rights, rights + "/rights-cronjob.yaml", "concurrencyPolicy: Forbid", "concurrency: Forbid", `unknown field "spec.concurrency"`},
		{"a kind that is dead", controller, versioned + "connection.yaml", "kind: Connection", "kind: TemporalConnection", "this kind of object has no type here"},
	}
}

// podSecurity is what the pods of daemons have.
const podSecurity = `      securityContext:
        runAsNonRoot: true
        runAsUser: 65532 # of the image
        runAsGroup: 65532
        fsGroup: 65532 # may read the secrets
        seccompProfile:
          type: RuntimeDefault
`

// spread returns the constraint that spreads replicas over a topology.
func spread(key string) string {
	return "        - topologyKey: " + key + `
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: *labels
          matchLabelKeys: [pod-template-hash]
`
}

// podMutations are mistakes in the pods.
func podMutations() []mutation {
	const startup = "startupProbe:\n            httpGet: &healthz\n              path: /healthz\n              port: ops\n" +
		"            periodSeconds: 2\n            failureThreshold: 30\n          livenessProbe:\n            httpGet: *healthz"
	return []mutation{
		{"no startup probe", base, "base/worker.yaml", startup, "livenessProbe:\n            httpGet: {path: /healthz, port: ops}", "container worker, startupProbe: is missing"},
		{"liveness by readiness", base, "base/worker.yaml", "path: /healthz", "path: /readyz", "livenessProbe: must ask for /healthz, not /readyz"},
		{"readiness by liveness", base, "base/publisher.yaml", "path: /readyz?exclude=slot", "path: /healthz", "readinessProbe: must ask for /readyz, not /healthz"},
		{"a probe of another port", base, "base/api.yaml", "path: /readyz\n              port: ops", "path: /readyz\n              port: http", "readinessProbe: port http is not one of the container's, or not that of OPS_ADDR"},
		{"no limit of memory", base, "base/starter.yaml", "            limits:\n              memory: 256Mi\n", "", "it needs requests of cpu and memory, and a limit of memory"},
		{"a request above the limit", base, "base/starter.yaml", "memory: 64Mi", "memory: 1Gi", "it requests more memory than its limit"},
		{"root", base, "base/projector.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "the pod must run as the image's user 65532, not as root"},
		{"a user that the image does not have", base, "base/projector.yaml", "runAsUser: 65532", "runAsUser: 1000", "the pod must run as the image's user 65532"},
		{"no seccomp profile", base, "base/projector.yaml", "type: RuntimeDefault", "type: Unconfined", "seccompProfile must be RuntimeDefault"},
		{"a writable root file system", base, "base/setup-job.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "Job orderflow-setup, container setup: securityContext must"},
		{"a writable root file system of a CronJob", rights, rights + "/rights-cronjob.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "CronJob orderflow-rights, container rights: securityContext must"},
		{"a capability", base, "base/api.yaml", "drop: [ALL]", "drop: [ALL]\n              add: [NET_BIND_SERVICE]", "securityContext must drop ALL"},
		{"a token of Kubernetes", base, "base/api.yaml", "      automountServiceAccountToken: false\n", "", "automountServiceAccountToken must be false"},
		{"a token of the account", base, "base/api.yaml", "  name: orderflow-api\nautomountServiceAccountToken: false", "  name: orderflow-api\nautomountServiceAccountToken: true", "automountServiceAccountToken of its ServiceAccount must be false"},
		{"a grace period of the default", base, "base/worker.yaml", "      terminationGracePeriodSeconds: 40 # more than SHUTDOWN_TIMEOUT\n", "", "terminationGracePeriodSeconds must be above SHUTDOWN_TIMEOUT and the preStop sleep, 25s"},
		{"a longer shutdown", base, "base/kustomization.yaml", "SHUTDOWN_TIMEOUT=25s", "SHUTDOWN_TIMEOUT=40s", "must be above SHUTDOWN_TIMEOUT and the preStop sleep, 40s"},
		{"a longer preStop sleep", base, "base/api.yaml", "seconds: 5", "seconds: 15", "must be above SHUTDOWN_TIMEOUT and the preStop sleep, 40s"},
		{"no shutdown timeout", base, "base/kustomization.yaml", "      - SHUTDOWN_TIMEOUT=25s\n", "", "SHUTDOWN_TIMEOUT is not set"},
		{"an image without a version", base, "base/kustomization.yaml", "    newTag: v0.1.0\n", "", "has no version: the kustomization's images must set it"},
		{"the latest image", base, "base/kustomization.yaml", "newTag: v0.1.0", "newTag: latest", "has no version"},
		{"an image of its own", base, "base/starter.yaml", "image: orderflow", "image: orderflow-starter:v1", "image orderflow-starter:v1 is not the one of the other containers"},
		{"a program that the image does not have", base, "base/starter.yaml", "command: [/usr/local/bin/starter]", "command: [/starter]", "its command must begin with a program of the image"},
		{"replicas on one node", base, "base/starter.yaml", spread("kubernetes.io/hostname") + spread("topology.kubernetes.io/zone"), "        []\n", "nothing spreads its replicas over nodes"},
		{"a pod without a security context", base, "base/starter.yaml", podSecurity, "", "the pod has no securityContext"},
		{"a writable secret", base, "base/starter.yaml", "              mountPath: /run/secrets/temporal\n              readOnly: true\n", "              mountPath: /run/secrets/temporal\n", "mount temporal must be read-only and name a volume"},
	}
}

// referenceMutations are references that lead nowhere, and settings that do not exist.
func referenceMutations() []mutation {
	const selector = "  selector:\n    app.kubernetes.io/name: orderflow\n    app.kubernetes.io/component: api"
	return []mutation{
		{"a variable that does not exist", base, "base/kustomization.yaml", "LOG_FORMAT=json", "LOG_FORMATT=json", "docs/configuration.md does not list LOG_FORMATT"},
		{"a variable of one container", base, "base/api.yaml", "API_ADDR", "API_ADDRESS", "docs/configuration.md does not list API_ADDRESS"},
		{"a secret in the environment", base, "base/api.yaml", "            - name: API_ADDR\n              value: \":8080\"", "            - name: POSTGRES_URL\n              valueFrom: {secretKeyRef: {name: orderflow-api, key: postgres-url}}", "POSTGRES_URL is a secret in the environment"},
		{"all of a secret in the environment", base, "base/api.yaml", "            - configMapRef:", "            - secretRef: {name: orderflow-api}\n            - configMapRef:", "envFrom may name ConfigMaps only"},
		{"a ConfigMap that does not exist", base, "base/worker.yaml", "name: orderflow-common", "name: orderflow-commons", "ConfigMap orderflow-commons is not among the objects"},
		{"a key that the secret does not have", base, "base/api.yaml", "value: /run/secrets/orderflow/postgres-url", "value: /run/secrets/orderflow/postgres_url", "POSTGRES_URL_FILE names /run/secrets/orderflow/postgres_url, which no mounted secret has"},
		{"a secret that the README does not list", base, "base/api.yaml", "secretName: orderflow-api", "secretName: orderflow-apis", "README.md does not list secret orderflow-apis"},
		{"a file where nothing is mounted", base, "base/starter.yaml", "mountPath: /run/secrets/temporal", "mountPath: /run/secrets/temporalio", "TEMPORAL_CONFIG_FILE names /run/secrets/temporal/temporal.toml, which no mounted secret has"},
		{"a mount of no volume", base, "base/starter.yaml", "            - name: temporal\n", "            - name: temporals\n", "mount temporals must be read-only and name a volume"},
		{"a volume that is no secret", base, "base/starter.yaml", "          secret:\n            secretName: orderflow-temporal\n            defaultMode: 0440", "          emptyDir: {}", "volume temporal is no secret"},
		{"an account that does not exist", base, "base/starter.yaml", "serviceAccountName: orderflow-starter", "serviceAccountName: orderflow", `ServiceAccount "orderflow" is not among the objects`},
		{"a Service of no pods", base, "base/api.yaml", selector, selector + "s", "Service orderflow-api: it selects no pods"},
		{"a Service of a port that pods lack", base, "base/api.yaml", "targetPort: http", "targetPort: https", "Deployment orderflow-api has no port https"},
		{"a Service that selects the Job", base, "base/setup-job.yaml", "app.kubernetes.io/name: orderflow-setup", "app.kubernetes.io/name: orderflow", "Job orderflow-setup has no port ops"},
		{"another port of operations", base, "base/kustomization.yaml", "OPS_ADDR=:9090", "OPS_ADDR=:9091", `OPS_ADDR ":9091" is not the port ops`},
		{"a selector that matches others too", base, "base/api.yaml", "  selector:\n    matchLabels: *labels", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: orderflow", "its selector must match its own pods and no others"},
		{"no history of revisions", base, "base/api.yaml", "  revisionHistoryLimit: 3\n", "", "revisionHistoryLimit is missing"},
		{"no namespace", base, "base/kustomization.yaml", "  - namespace.yaml\n", "", `its namespace "orderflow" is not among the objects`},
	}
}

// availabilityMutations are mistakes in budgets and policies.
func availabilityMutations() []mutation {
	const budget, policies = "  maxUnavailable: 1\n  unhealthy", "base/network-policies.yaml"
	return []mutation{
		{"a budget that blocks drains", base, "base/publisher.yaml", budget, "  minAvailable: 2\n  unhealthy", "of 2 replicas of Deployment orderflow-publisher it lets 0 be evicted"},
		{"a budget for one replica", base, "base/publisher.yaml", "replicas: 2", "replicas: 1", "it must be one at least, and not all"},
		{"a budget that keeps nothing", base, "base/publisher.yaml", budget, "  maxUnavailable: 100%\n  unhealthy", "it lets 2 be evicted"},
		{"no budget", base, "base/publisher.yaml", "      app.kubernetes.io/component: publisher\n", "      app.kubernetes.io/component: publishers\n", "0 budgets cover it"},
		{"two budgets for a pod", base, "base/publisher.yaml", "      app.kubernetes.io/component: publisher\n", "      app.kubernetes.io/component: starter\n", "2 budgets cover it"},
		{"a budget for the Job too", base, "base/starter.yaml", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: orderflow\n      app.kubernetes.io/component: starter", "  selector:\n    matchLabels:\n      app.kubernetes.io/component: setup", "Job orderflow-setup: a budget covers it"},
		{"nothing denied by default", base, policies, "  policyTypes: [Ingress, Egress]", "  policyTypes: [Ingress]", "none denies all pods everything, in both directions"},
		{"denied to some pods only", base, policies, "  name: default-deny\nspec:\n  podSelector: {}", "  name: default-deny\nspec:\n  podSelector: {matchLabels: {app.kubernetes.io/component: api}}", "none denies all pods everything"},
		{"a policy for no pods", base, policies, "      app.kubernetes.io/component: worker\n", "      app.kubernetes.io/component: workers\n", "NetworkPolicy egress-aws: it selects no pods"},
		{"everyone is let in", base, policies, "    - from:\n        - namespaceSelector:\n            matchLabels:\n              kubernetes.io/metadata.name: ingress-nginx\n      ports:", "    - ports:", "NetworkPolicy ingress-api: it lets everyone in"},
		{"a policy for a port that pods lack", base, policies, "port: http}", "port: https}", "NetworkPolicy ingress-api: Deployment orderflow-api has no port https"},
		{"every port is let out", base, policies, "    - ports:\n        - {protocol: TCP, port: 443}", "    - {}", "NetworkPolicy egress-aws: it lets pods out to every port"},
	}
}

// scalingMutations are mistakes in the overlays.
func scalingMutations() []mutation {
	const scaledObject, deployment, autoscaler = keda + "/scaled-object.yaml", versioned + "worker-deployment.yaml", versioned + "autoscaler.yaml"
	return []mutation{
		{"scaling by the limited queue", keda, scaledObject, "taskQueue: order-fulfillment", "taskQueue: order-email", `trigger temporal of queue "order-email": only the backlog of order-fulfillment says that workers are missing`},
		{"scaling by something else", keda, scaledObject, "type: temporal", "type: cpu", "trigger cpu of queue"},
		{"scaling to zero", keda, scaledObject, "minReplicaCount: 2", "minReplicaCount: 0", "it needs minReplicaCount, at least 1"},
		{"fewer at most than at least", keda, scaledObject, "maxReplicaCount: 8", "maxReplicaCount: 1", "a maxReplicaCount that is no less"},
		{"one replica at least", keda, scaledObject, "minReplicaCount: 2", "minReplicaCount: 1", "of 1 replicas of Deployment orderflow-worker it lets 1 be evicted"},
		{"scaling of nothing", keda, scaledObject, "scaleTargetRef:\n    name: orderflow-worker", "scaleTargetRef:\n    name: worker", `Deployment "worker" is not among the objects`},
		{"replicas of the manifest and of KEDA", keda, keda + "/kustomization.yaml", "path: /spec/replicas", "path: /spec/revisionHistoryLimit", "each time it is applied it would undo KEDA's"},
		{"credentials that do not exist", keda, scaledObject, "authenticationRef:\n        name: orderflow-temporal", "authenticationRef:\n        name: temporal", "TriggerAuthentication temporal is not among the objects"},
		{"a key of the credentials", keda, scaledObject, "key: ca.crt", "key: ca.pem", "lists no key ca.pem of secret orderflow-temporal"},
		{"no gate", controller, deployment, "    gate:\n      workflowType: DeploymentGate\n", "", "its gate must be the workflow DeploymentGate"},
		{"a gate that no worker has", controller, deployment, "workflowType: DeploymentGate", "workflowType: HealthCheck", "its gate must be the workflow DeploymentGate"},
		{"a rollout without steps", controller, deployment, "    steps: # of new orders, and of open ones: they move to the newest version\n      - {rampPercentage: 1, pauseDuration: 10m}\n      - {rampPercentage: 10, pauseDuration: 20m}\n      - {rampPercentage: 50, pauseDuration: 20m}\n", "", "a progressive rollout needs steps"},
		{"a name that is cut", controller, deployment, "metadata:\n  name: orderflow-worker", "metadata:\n  name: orderflow-worker-of-the-shop-in-the-center-of-the-city", "its name is longer than 47 characters"},
		{"a connection that does not exist", controller, deployment, "connectionRef:\n      name: orderflow-temporal", "connectionRef:\n      name: temporal", "Connection temporal is not among the objects"},
		{"credentials of the connection", controller, versioned + "connection.yaml", "    name: orderflow-temporal\n", "    name: orderflow-api\n", "lists no key tls.crt of secret orderflow-api"},
		{"replicas that the autoscaler sets", controller, deployment, "spec:\n  workerOptions", "spec:\n  replicas: 3\n  workerOptions", "which the controller would restore after each scaling"},
		{"an autoscaler of no workers", controller, autoscaler, "workerDeploymentRef:\n    name: orderflow-worker", "workerDeploymentRef:\n    name: worker", "WorkerDeployment worker is not among the objects"},
		{"an autoscaler of one Deployment", controller, autoscaler, "scaleTargetRef: {}", "scaleTargetRef: {kind: Deployment, name: orderflow-worker}", "with an empty scaleTargetRef"},
		{"one replica of a version", controller, autoscaler, "minReplicas: 2", "minReplicas: 1", "of 1 replicas of WorkerDeployment orderflow-worker it lets 1 be evicted"},
		{"workers without a version", controller, controller + "/kustomization.yaml", "$patch: delete", "spec: {paused: false}", "Deployment orderflow-worker runs workers without a version"},
	}
}
