#!/usr/bin/env bash
# Makes the namespace's Secrets, with random passwords and certificates of an own authority. What is there stays.
set -euo pipefail
namespace=medweave
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kubectl() { command kubectl --namespace "$namespace" "$@"; }
missing() { ! kubectl get "$1" "$2" >/dev/null 2>&1; }
random() { openssl rand -hex 24; }

command kubectl apply --filename "$(dirname "$0")/../../base/namespace.yaml"

if missing configmap medweave-ca; then
  openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=medweave" -keyout "$work/ca.key" -out "$work/ca.crt" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" 2>/dev/null
  for server in zenml mlflow evidently postgres objects; do
    openssl req -newkey rsa:3072 -nodes -subj "/CN=$server" -keyout "$work/tls.key" -out "$work/tls.csr" 2>/dev/null
    openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 825 \
      -out "$work/tls.crt" -extfile <(echo "subjectAltName=DNS:$server,DNS:$server.$namespace.svc,DNS:localhost") 2>/dev/null
    kubectl delete secret "$server-tls" --ignore-not-found
    kubectl create secret generic "$server-tls" --type kubernetes.io/tls \
      --from-file "$work/tls.crt" --from-file "$work/tls.key" --from-file "$work/ca.crt"
  done
  kubectl create configmap medweave-ca --from-file "$work/ca.crt"
fi
if missing secret postgres; then
  kubectl create secret generic postgres --from-literal password="$(random)"
fi
if missing secret objects; then
  kubectl create secret generic objects --from-literal endpoint="https://objects.$namespace.svc:9000" \
    --from-literal ca=/tls/ca.crt --from-literal access-key=medweave --from-literal secret-key="$(random)"
fi
if missing secret zenml; then
  kubectl create secret generic zenml --from-literal store-url=sqlite:////data/zenml.db --from-literal jwt-key="$(random)" \
    --from-literal encryption-key="$(random)" --from-literal admin-password="$(random)"
fi
if missing secret mlflow; then
  password=$(kubectl get secret postgres --output 'go-template={{.data.password | base64decode}}')
  database="postgresql://mlflow:$password@postgres.$namespace.svc"
  verified="sslmode=verify-full&sslrootcert=/tls/ca.crt"
  printf '[mlflow]\ndefault_permission = READ\ndatabase_uri = %s\n' "$database/mlflow_auth?$verified" >"$work/basic_auth.ini"
  kubectl create secret generic mlflow --from-literal store-url="$database/mlflow?$verified" \
    --from-literal artifacts=s3://mlflow --from-literal session-key="$(random)" \
    --from-literal admin-password="$(random)" --from-file "$work/basic_auth.ini"
fi
if missing secret evidently; then
  password=$(random)
  kubectl create secret generic evidently --from-literal admin-password="$password" \
    --from-literal workspace=s3://zenml/medweave/monitoring/evidently \
    --from-literal users="admin:$(openssl passwd -apr1 "$password")"
fi
if missing secret pipeline; then
  password=$(kubectl get secret mlflow --output 'go-template={{index .data "admin-password" | base64decode}}')
  key=$(kubectl get secret objects --output 'go-template={{index .data "access-key" | base64decode}}')
  secret=$(kubectl get secret objects --output 'go-template={{index .data "secret-key" | base64decode}}')
  kubectl create secret generic pipeline --from-literal MLFLOW_TRACKING_USERNAME=admin \
    --from-literal MLFLOW_TRACKING_PASSWORD="$password" \
    --from-literal AWS_ACCESS_KEY_ID="$key" --from-literal AWS_SECRET_ACCESS_KEY="$secret"
fi
